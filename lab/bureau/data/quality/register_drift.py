"""How far a register is from its previous version, and from what each published model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from lab.bureau.data.quality.column_report import ColumnReport
from models.bureau.model import Model
from models.shared.drift.column_drift import DriftLevel, measure_all_drift
from models.shared.drift.column_profiles import ColumnProfile
from models.shared.drift.reading_changes import compare_readings
from models.shared.drift.share_changes import LEAST_ROWS
from models.shared.features import Feature, encode_features

FEWER_ROWS_WATCH, FEWER_ROWS_STOP = 0.9, 0.5
"""Shares of the previous version's rows below which a person should look, or must agree."""


@dataclass(frozen=True)
class DriftFinding:
    """One change that a person should know of. ``column``: empty for the register as a whole; ``item``: its code."""

    column: str
    level: DriftLevel
    zh: str
    en: str
    item: str = ""


def worst_level(findings: Iterable[DriftFinding]) -> DriftLevel:
    """The level of the finding that matters most; ``stable`` without any."""
    levels = {finding.level for finding in findings}
    return "stop" if "stop" in levels else "watch" if "watch" in levels else "stable"


def compare_with_version(
    sample: pl.DataFrame, rows: int, previous: Mapping[str, ColumnReport], previous_rows: int
) -> list[DriftFinding]:
    """Compare rows of a new version (``sample``, text) and their number with the previous version's reports."""
    findings = []
    if previous_rows >= LEAST_ROWS and rows < FEWER_ROWS_WATCH * previous_rows:
        findings.append(
            DriftFinding(
                "",
                "stop" if rows < FEWER_ROWS_STOP * previous_rows else "watch",
                f"{rows:,} 行，上一版 {previous_rows:,} 行",
                f"{rows:,} rows, {previous_rows:,} in the previous version",
            )
        )
    gone = [column for column in previous if column not in sample.columns]
    findings += [DriftFinding(column, "watch", "本版没有此列", "this version lacks the column") for column in gone]
    kept = [report for column, report in previous.items() if column in sample.columns]
    return findings + _compare(sample, [one.feature for one in kept], [one.profile for one in kept])


def compare_with_model(sample: pl.DataFrame, model: Model) -> list[DriftFinding]:
    """Compare rows of a register (text) with the register on which a model was trained.

    A model that does not say how its columns were distributed cannot be compared, which a person must agree to.
    """
    features = model.public_features
    gone = [feature for feature in features if feature.name not in sample.columns]
    findings = [
        DriftFinding(one.name, "stop", "登记库没有此列", "the register lacks this column", one.item) for one in gone
    ]
    present = [feature for feature in features if feature not in gone]
    if present and not model.profiles:
        zh, en = (
            "模型未说明训练时的分布",
            "the model does not say how its columns were distributed",
        )
        return [*findings, DriftFinding("", "stop", zh, en)]
    return findings + _compare(sample, present, model.profiles_of(present))


def _compare(
    sample: pl.DataFrame, features: Sequence[Feature], profiles: Sequence[ColumnProfile]
) -> list[DriftFinding]:
    if not features:
        return []
    items = {feature.name: feature.item for feature in features}
    drifts = measure_all_drift(features, profiles, encode_features(sample, features))
    findings = [
        DriftFinding(drift.name, drift.level, *drift.text, items[drift.name])
        for drift in drifts
        if drift.level != "stable"
    ]
    return findings + [
        DriftFinding(reading.name, "stop", zh, en, items[reading.name])
        for reading in compare_readings(sample, features)
        for zh, en in reading.changes
    ]
