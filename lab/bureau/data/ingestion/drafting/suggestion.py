"""Drafts a mapping from a file: the names of its columns, and what is in the cells of the first rows.

Every choice is a guess and says so with its likeness from 0 to 1; what was not found is listed. A person reads the
draft before it is used: an item that is taken from the wrong column is worse than a missing one.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain, Item, ItemType
from lab.bureau.data.ingestion.cells import item_reader, read_item
from lab.bureau.data.ingestion.drafting.header_names import name_likeness
from lab.bureau.data.ingestion.enterprises.legacy_forms import compact_codes, legacy_kind
from lab.bureau.data.ingestion.mapping.checking import header_unit, needed_items
from lab.bureau.data.ingestion.mapping.document import (
    CodeKind,
    DateOrder,
    EnterpriseColumn,
    ItemColumn,
    MappingDocument,
)
from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.dates import parse_dates
from lab.terms.identifiers import normalise_identifiers
from lab.terms.names import IdKind

SAMPLE_ROWS: Final = 5_000
LEAST_LIKENESS: Final = 0.4
_MOST_CODES: Final = 30
_LONGEST_CODE: Final = 20
_ANY_DAY: Final = datetime.date(2099, 1, 1)


@dataclass(frozen=True, slots=True)
class GuessedItem:
    """One item and the column that it is perhaps in. ``unit``: for an amount, of the column's name or 元, ``sure`` if
    the name says so. ``unknown``: words of a column of codes that the catalogue does not have."""

    item: Item
    column: str
    likeness: float
    unit: str = ""
    sure: bool = False
    date_order: DateOrder | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingDraft:
    """A drafted mapping. ``enterprise``: None if no column looks like codes. ``absent``: items without a column;
    ``unused``: columns without an item."""

    domain: Domain
    enterprise: EnterpriseColumn | None
    share: float
    items: tuple[GuessedItem, ...]
    absent: tuple[Item, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def suggest_mapping(domain: Domain, sample: pl.DataFrame, id_kind: IdKind = "uscc") -> MappingDraft:
    """A draft from the header and the first rows of a file, all String; ``id_kind``: the catalogue's."""
    sample = sample.head(SAMPLE_ROWS)
    enterprise, share = _find_enterprise(sample) if id_kind == "uscc" else _find_numbers(sample)
    columns = [name for name in sample.columns if enterprise is None or name != enterprise.column]
    taken: dict[str, tuple[str, float]] = {}
    used: set[str] = set()
    for likeness, name, column in sorted(_likenesses(domain, columns, sample), key=lambda one: -one[0]):
        if likeness >= LEAST_LIKENESS and name not in taken and column not in used:
            taken[name] = (column, likeness)
            used.add(column)
    found = tuple(_guess(item, *taken[item.name], sample) for item in domain.items if item.name in taken)
    return MappingDraft(
        domain,
        enterprise,
        share,
        found,
        tuple(item for item in domain.items if item.name not in taken),
        tuple(column for column in columns if column not in used),
    )


def _find_enterprise(sample: pl.DataFrame) -> tuple[EnterpriseColumn | None, float]:
    """The column with most codes of enterprises, their kind, and their share of its cells."""
    best: tuple[float, str, CodeKind] = (0.0, "", "uscc")
    for column in sample.get_columns():
        cells = column.drop_nulls()
        if cells.is_empty():
            continue
        unified = normalise_identifiers(cells.to_list(), "uscc").accepted_count / cells.len()
        forms = legacy_kind(compact_codes(cells))
        old = {kind: float((forms == kind).sum()) / cells.len() for kind in ("registration-15", "organisation-9")}
        kind: CodeKind = "uscc" if not any(old.values()) else "mixed"
        if old["registration-15"] > 0.95:
            kind = "registration-15"
        elif old["organisation-9"] > 0.95 and unified == 0:
            kind = "organisation-9"
        # Digits of other meanings have 9 or 15 places too, so legacy codes alone count for less.
        share = unified + sum(old.values()) * (0.9 if unified else 0.6)
        if share > best[0]:
            best = (share, column.name, kind)
    if best[0] < 0.5:
        return None, best[0]
    return EnterpriseColumn(column=best[1], kind=best[2]), min(best[0], 1.0)


def _find_numbers(sample: pl.DataFrame) -> tuple[EnterpriseColumn | None, float]:
    """The first column with a number or name in every row and the fewest repeated: other identifiers have no form."""
    shares = {column.name: column.n_unique() / len(column) for column in sample.get_columns() if not column.has_nulls()}
    if sample.is_empty() or not shares:
        return None, 0.0
    best = max(shares, key=lambda name: shares[name])
    return EnterpriseColumn(column=best, kind="opaque"), shares[best]


def _likenesses(domain: Domain, columns: Sequence[str], sample: pl.DataFrame) -> list[tuple[float, str, str]]:
    """Likeness, item and column of each pair that is worth a look: by name, corrected by what the cells are."""
    found = []
    for item in domain.items:
        for column in columns:
            by_name = name_likeness(column, item)
            fit = _fit(domain, item, column, sample[column]) if by_name >= 0.2 else 0.0
            if by_name >= 0.2:
                found.append((round(by_name * (0.4 + 0.6 * fit), 4), item.name, column))
    return found


def _fit(domain: Domain, item: Item, name: str, cells: pl.Series) -> float:
    """The share of the cells that can be read as the item; of codes, of the distinct ones."""
    known = cells.drop_nulls()
    if known.is_empty():
        return 0.5
    if item.type is ItemType.TEXT:
        numbers = known.cast(pl.Float64, strict=False).is_not_null().mean() or 0.0
        return 1.0 - 0.5 * float(numbers)  # type: ignore[arg-type]
    if item.type in (ItemType.CODE, ItemType.YES_NO):
        known = known.unique()
    unit = "as-written" if item.type is ItemType.AMOUNT and _has_units(known) else None
    document = MappingDocument(
        domain=domain.code,
        enterprise=EnterpriseColumn(column="-"),
        items={item.name: ItemColumn(column=name, unit=unit, date_order="day-first", period=None)},
    )
    read = read_item(known, item_reader(domain, item, document, _ANY_DAY))
    share = float(read.reasons.is_null().mean() or 0.0)  # type: ignore[arg-type]
    if item.type is ItemType.CODE:  # words of a list that the catalogue spells otherwise are no reason against it
        return 0.6 + 0.4 * share if known.len() <= _MOST_CODES else 0.3 * share
    return share


def _has_units(cells: pl.Series) -> bool:
    return bool(cells.str.contains(r"[元万亿]").mean() == 1.0)


def _guess(item: Item, column: str, likeness: float, sample: pl.DataFrame) -> GuessedItem:
    cells = sample[column].drop_nulls()
    unit, sure, order, unknown = "", False, None, tuple[str, ...]()
    if item.type is ItemType.AMOUNT:
        stated = header_unit(column)
        unit, sure = stated or ("as-written" if cells.len() and _has_units(cells) else "元"), bool(stated)
    elif item.type is ItemType.DATE:
        order = _date_order(cells)
    elif item.type is ItemType.CODE:
        unknown = _unknown_words(item, cells)
    return GuessedItem(item, column, likeness, unit, sure, order, unknown)


def _date_order(cells: pl.Series) -> DateOrder | None:
    """What the cells show: a day above 12 in the first or second place; None if none does, or both do."""
    orders = parse_dates(normalise_text(cells), day_first=None).order
    day, month = bool((orders == 1).any()), bool((orders == -1).any())
    if day == month:
        return None
    return "day-first" if day else "month-first"


def _unknown_words(item: Item, cells: pl.Series) -> tuple[str, ...]:
    """The words of a short list that the catalogue does not have; none of a long one, which may be no codes."""
    words = cells.unique().sort()
    if words.len() > _MOST_CODES or 2 * words.len() > cells.len():
        return ()
    known: Mapping[str, tuple[str, ...]] = {code: tuple(names) for code, names in item.codes.items()}
    spelled = {name.lower() for code, names in known.items() for name in (code, *names)}
    texts = normalise_text(words).drop_nulls().to_list()
    return tuple(word for word in texts if word.lower() not in spelled and len(word) <= _LONGEST_CODE)


def required_without_column(draft: MappingDraft) -> tuple[Item, ...]:
    """The items without which no row is a record, and for which no column was found."""
    needed = needed_items(draft.domain)
    return tuple(item for item in draft.absent if item.name in needed)
