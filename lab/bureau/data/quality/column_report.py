"""How each column of a register version was read: kept beside it, to compare the next version with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.store.tables import RegisterRow
from lab.disk.checked_files import DamagedFile
from lab.tables.cells.column_kinds import ColumnSummary
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.drift.column_profiles import ColumnProfile, measure_profile
from models.shared.features import Feature, FeatureDescription, encode_features, infer_features

SAMPLE_ROWS = 100_000
"""Rows, evenly spread over the register, from which the distribution of a column is measured."""


@dataclass(frozen=True)
class ColumnReport:
    """One column: how its cells are read (``feature``), counts over all rows, and the distribution of a sample."""

    feature: Feature
    rows: int
    missing: int
    unreadable: int
    profile: ColumnProfile

    __pydantic_config__ = STRICT_CONFIG

    @property
    def without_inputs(self) -> bool:
        """Whether there are readable cells and no input of a model among them: a name that each enterprise has alone.

        ``feature`` is then numeric without a value, which is not how the cells were read.
        """
        return self.profile.missing == self.profile.rows and self.missing + self.unreadable < self.rows


def measure_columns(
    sample: pl.DataFrame, summaries: Sequence[ColumnSummary], descriptions: Mapping[str, FeatureDescription]
) -> dict[str, ColumnReport]:
    """The report of each column, from ``sample`` rows of text and the counts over all rows."""
    features = infer_features(sample, "bureau", descriptions, summaries)
    values = encode_features(sample, features)
    return {
        feature.name: ColumnReport(
            feature,
            summary.rows,
            summary.missing,
            summary.unreadable,
            measure_profile(feature, values[:, place]),
        )
        for place, (feature, summary) in enumerate(zip(features, summaries, strict=True))
    }


def dump_column_reports(reports: Mapping[str, ColumnReport]) -> bytes:
    """The reports as a file of the bureau's home. Its quantiles and categories are data of the register."""
    return json.dumps([asdict(report) for report in reports.values()], ensure_ascii=False).encode()


def load_column_reports(
    session: Session, home: BureauHome, register: str, version: int | None = None
) -> dict[str, ColumnReport]:
    """The reports of a register version (None: the newest) by column; none for one imported before there were any.

    Raises ``DamagedFile`` if the file is not the one that was written.
    """
    query = select(RegisterRow).where(RegisterRow.name == register)
    if version is not None:
        query = query.where(RegisterRow.version == version)
    row = session.scalars(query.order_by(RegisterRow.version.desc()).limit(1)).first()
    if row is None or row.columns_sha256 is None:
        return {}
    path = home.path(column_report_file(register, row.version))
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != row.columns_sha256:
        raise DamagedFile(
            path,
            detail=f"The report on the columns of register {register} version {row.version} is missing or was altered.",
            next_step="bring the file back from a copy, or import the register again",
        )
    return {report.feature.name: report for report in TypeAdapter(tuple[ColumnReport, ...]).validate_json(content)}


def column_report_file(register: str, version: int) -> str:
    """Where the reports of a register version are, relative to the home."""
    return f"registers/{register}-{version}.columns.json"
