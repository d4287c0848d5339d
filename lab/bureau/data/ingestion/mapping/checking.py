"""Checks a mapping against the catalogue, and against a file's header, before a row is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item, ItemType
from lab.bureau.data.ingestion.mapping.document import ItemColumn, MappingFile
from lab.bureau.data.ingestion.mapping.reading import mapping_fault
from lab.bureau.data.ingestion.mapping.units import AS_WRITTEN, NUMBER_UNITS, YUAN_UNITS
from lab.tables.cells.values.units import COLUMN_UNITS
from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.nearest_name import nearest_name

ROW_COLUMNS: Final = ("row", "reason")
"""Columns of a file of rows set aside, which are passed over when it is imported again."""
_HEADER_UNIT: Final = re.compile(r"[(（\[【]\s*(?:单位\s*[:：]\s*)?([^()（）\[\]【】]{1,6})\s*[)）\]】]\s*$")
_MOST_COLUMNS_NAMED: Final = 8


def check_mapping(mapping: MappingFile, catalogue: Catalogue, *, partial: bool = False) -> Domain:
    """The domain that the mapping is for; raises ``InvalidInput`` that names each key the catalogue contradicts.

    ``partial``: for corrections and deletions, which need the key alone.
    """
    document = mapping.document
    try:
        domain = catalogue.domain(document.domain)
    except KeyError:
        codes = [one.code for one in catalogue.domains]
        words = _unknown("domain", document.domain, codes, "no domain of the catalogue")
        raise mapping_fault(mapping.name, [words]) from None
    items = {item.name: item for item in domain.items}
    faults = [
        _unknown(f"items.{name}", name, items, f"no item of the domain {domain.code}")
        for name in document.items
        if name not in items
    ]
    faults += [
        f"items.{item.name}: is missing, and required"
        for item in domain.items
        if item.name not in document.items and item.name in (domain.key if partial else needed_items(domain))
    ]
    for name, stated in document.items.items():
        if name in items:
            faults += _check_item(items[name], stated, document.decimal_comma)
    if (document.enterprise.kind == "opaque") != (catalogue.id_kind == "opaque"):
        faults.append(f"enterprise.kind: is {document.enterprise.kind}; the catalogue's id_kind is {catalogue.id_kind}")
    if faults:
        raise mapping_fault(mapping.name, faults)
    return domain


def check_header(mapping: MappingFile, domain: Domain, file: str, columns: Sequence[str]) -> tuple[str, ...]:
    """What the user should know of a file's header; raises ``InvalidInput`` for a column that it lacks, and where a
    column's name contradicts the stated unit. Columns that the mapping neither reads nor ignores are named."""
    faults = []
    for column, key in mapping.columns().items():
        if column not in columns:
            near = nearest_name(column, columns)
            hint = f"; the nearest column is {_shown(near)}" if near else ""
            faults.append(f"{key}: no column is called {_shown(column)}{hint}")
    for name, stated in mapping.items.items():
        faults += _check_header_unit(domain.item(name), stated)
    if faults:
        raise InvalidInput(
            f"Expected in {file} the columns that {mapping.name} names; its header differs: {'; '.join(faults[:12])}.",
            next_step=f"ask the department whether its form changed, then correct these keys of {mapping.name}",
        )
    known = {*mapping.columns(), *mapping.document.ignored, *ROW_COLUMNS, *(f"_{name}" for name in ROW_COLUMNS)}
    others = [column for column in columns if column not in known]
    if not others:
        return ()
    names = ", ".join(_shown(name) for name in others[:_MOST_COLUMNS_NAMED])
    names += f" … ({len(others)})" if len(others) > _MOST_COLUMNS_NAMED else ""
    return (f"columns that the mapping neither reads nor ignores: {names} · 映射文件未提到的列：{names}",)


def needed_items(domain: Domain) -> frozenset[str]:
    """The items without which a row is no record: required ones, the key, and the day from which it holds."""
    return frozenset(
        item.name for item in domain.items if item.required or item.name in (*domain.key, domain.held_from)
    )


def header_unit(column: str) -> str:
    """The unit in brackets at the end of a column's name, such as ``万元`` of ``销售额（万元）``; empty for none."""
    found = _HEADER_UNIT.search(column)
    unit = found.group(1).strip() if found else ""
    return unit if unit in COLUMN_UNITS else ""


def _check_item(item: Item, stated: ItemColumn, decimal_comma: bool) -> Iterator[str]:
    key = f"items.{item.name}"
    if (stated.column is None) == (stated.constant is None):
        yield f"{key}: names a column or a constant, one of the two"
    number = item.type in (ItemType.INTEGER, ItemType.NUMBER, ItemType.AMOUNT)
    if item.type is ItemType.AMOUNT and stated.unit is None and stated.unit_column is None:
        yield f"{key}.unit: is missing; an amount is in 元, 万元 or another unit, or {AS_WRITTEN}"
    if stated.unit is not None and stated.unit_column is not None:
        yield f"{key}.unit_column: is beside unit; state one of the two"
    if not number and (stated.unit is not None or stated.unit_column is not None):
        yield f"{key}.unit: is stated for an item that is no number"
    units = (*YUAN_UNITS, AS_WRITTEN) if item.type is ItemType.AMOUNT else (*NUMBER_UNITS, *item.unit.split())
    if number and stated.unit is not None and stated.unit not in units:
        yield _unknown(f"{key}.unit", stated.unit, units, "no unit that is known for this item")
    if stated.unit == AS_WRITTEN and decimal_comma:
        yield f"{key}.unit: cannot be {AS_WRITTEN} with a decimal comma"
    if item.type is not ItemType.DATE and (stated.date_order or stated.period or stated.future or stated.days_since):
        yield f"{key}: has date_order, period, future or days_since, and is no date"
    if stated.days_since and stated.date_order:
        yield f"{key}.days_since: is beside date_order; a count of days has none"
    yield from _check_codes(item, stated, key)


def _check_codes(item: Item, stated: ItemColumn, key: str) -> Iterator[str]:
    if not stated.codes:
        return
    if item.type not in (ItemType.CODE, ItemType.YES_NO):
        yield f"{key}.codes: is stated for an item that has no codes"
        return
    known = tuple(item.codes) if item.type is ItemType.CODE else ("yes", "no")
    for code in dict.fromkeys(stated.codes.values()):
        if code not in known:
            yield _unknown(f"{key}.codes", code, known, "no code of the catalogue")


def _check_header_unit(item: Item, stated: ItemColumn) -> Iterator[str]:
    found = header_unit(stated.column or "")
    if item.type is not ItemType.AMOUNT or not found or stated.unit in (None, AS_WRITTEN):
        return
    if COLUMN_UNITS[found] != COLUMN_UNITS[stated.unit]:
        yield f"items.{item.name}.unit: is {stated.unit}, and the column's name says {found}"


def _unknown(key: str, word: str, known: Iterable[str], what: str) -> str:
    """``KEY: WORD is no … (did you mean …?)``."""
    near = nearest_name(word, known)
    return f"{key}: {_shown(word)} is {what}" + (f" (did you mean {near}?)" if near else "")


def _shown(name: str | None) -> str:
    return str(escape_hidden((name or "")[:80]))
