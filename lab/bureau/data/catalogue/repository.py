"""Storing and reading the items of a register version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.dictionary import CatalogueItem
from lab.bureau.store.tables import CatalogueItemRow


def save_items(session: Session, register: str, version: int, items: Sequence[CatalogueItem]) -> None:
    """Store the items of a register version, in the import's transaction."""
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
    return CatalogueItem(
        row.column,
        row.code,
        row.zh,
        row.en,
        row.dimension,
        row.domain,
        row.grade,
        described=row.described,
    )
