"""What an organisation can ask for: items of the catalogue, and columns of the registers (features among them)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue, CreditUse, Item, ItemReleaseForm, SharingType
from lab.bureau.store.tables import CatalogueItemRow


@dataclass(frozen=True, slots=True)
class AvailableItem:
    """What the bureau says of an item that is asked for.

    ``sharing``: None for a column of a register, which is only an input of models. ``forms``: in which it may leave.
    ``barred``: why it may not be granted, in English; empty if it may.
    """

    code: str
    zh: str
    en: str
    domain: str
    grade: str
    sharing: str | None
    forms: tuple[str, ...]
    barred: str = ""


def find_available_items(session: Session, catalogue: Catalogue, codes: Iterable[str]) -> dict[str, AvailableItem]:
    """Those of ``codes`` that the bureau knows: by the catalogue, or else by the newest version of a register."""
    wanted = set(codes)
    found = {item.code: _describe_item(item) for item in catalogue.items if item.code in wanted}
    newest = (
        select(CatalogueItemRow.register, func.max(CatalogueItemRow.version).label("version"))
        .group_by(CatalogueItemRow.register)
        .subquery()
    )
    query = select(CatalogueItemRow).join(
        newest,
        (CatalogueItemRow.register == newest.c.register) & (CatalogueItemRow.version == newest.c.version),
    )
    for row in session.scalars(query.where(CatalogueItemRow.code.in_(wanted - found.keys()))):
        forms = (ItemReleaseForm.MODEL_INPUT.value,)
        found[row.code] = AvailableItem(row.code, row.zh, row.en, row.domain, row.grade, None, forms)
    return found


def _describe_item(item: Item) -> AvailableItem:
    forms = tuple(form.value for form in ItemReleaseForm if form in item.release_forms)
    barred = ""
    if item.sharing is SharingType.NOT_SHARED:
        barred = "it is not shared"
    elif item.credit_use is CreditUse.FORBIDDEN:
        barred = "credit-reporting rules forbid it"
    elif not forms:
        barred = "it has no release form"
    return AvailableItem(item.code, item.zh, item.en, item.domain, item.grade.value, item.sharing.value, forms, barred)
