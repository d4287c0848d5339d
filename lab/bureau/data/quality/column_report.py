"""How each column of a register version was read: kept with its catalogue item, to compare the next version with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import CatalogueItemRow
from lab.tables.cells.column_kinds import ColumnSummary
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.column_profiles import ColumnProfile, measure_profile
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

    def to_json(self) -> str:
        """The report as the database keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ColumnReport:
        """A report that the database kept."""
        return TypeAdapter(cls).validate_json(text)


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


def load_column_reports(session: Session, register: str, version: int) -> dict[str, ColumnReport]:
    """The reports of a register version by column; empty for a version that was imported before there were any."""
    rows = session.execute(
        select(CatalogueItemRow.column, CatalogueItemRow.report).where(
            CatalogueItemRow.register == register,
            CatalogueItemRow.version == version,
            CatalogueItemRow.report.is_not(None),
        )
    )
    return {column: ColumnReport.from_json(report) for column, report in rows if report is not None}
