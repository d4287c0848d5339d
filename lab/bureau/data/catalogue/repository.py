"""Storing and reading the items of a register version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.dictionary import CatalogueItem
from lab.bureau.data.quality.column_report import ColumnReport
from lab.bureau.store.tables import CatalogueItemRow


def save_items(
    session: Session, register: str, version: int, items: Sequence[CatalogueItem], reports: Mapping[str, str]
) -> None:
    """Store the items of a register version, in the import's transaction; ``reports``: of columns, as JSON."""
    for item in items:
        session.add(
            CatalogueItemRow(
                register=register,
                version=version,
                column=item.column,
                code=item.code,
                zh=item.zh,
                en=item.en,
                dimension=item.dimension,
                domain=item.domain,
                grade=item.grade,
                described=item.described,
                report=reports.get(item.column),
            )
        )
    session.flush()


def load_items(session: Session, register: str, version: int) -> dict[str, CatalogueItem]:
    """The items of a register version by column."""
    rows = session.scalars(
        select(CatalogueItemRow).where(CatalogueItemRow.register == register, CatalogueItemRow.version == version)
    )
    return {row.column: _item(row) for row in rows}


def _item(row: CatalogueItemRow) -> CatalogueItem:
    feature = ColumnReport.from_json(row.report).feature if row.report is not None else None
    return CatalogueItem(
        row.column,
        row.code,
        row.zh,
        row.en,
        row.dimension,
        row.domain,
        row.grade,
        described=row.described,
        kind=feature.kind if feature is not None else "",
        reading=feature.reading if feature is not None else None,
    )
