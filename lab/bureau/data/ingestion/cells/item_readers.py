"""Which rules read an item, by its type in the catalogue and what the mapping states of its column."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain, Grain, Item, ItemType
from lab.bureau.data.ingestion.cells.column_reading import ItemCells, PlainReader, read_column
from lab.bureau.data.ingestion.cells.dates import DateRules
from lab.bureau.data.ingestion.cells.numbers import NumberRules
from lab.bureau.data.ingestion.cells.words import CodeRules, TextRules, YesNoRules
from lab.bureau.data.ingestion.mapping.document import ItemColumn, MappingDocument
from lab.bureau.data.ingestion.mapping.units import AS_WRITTEN
from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.units import COUNTED


@dataclass(frozen=True, slots=True)
class CellRules:
    """How one item's cells are read: its rules, and the words that mean no value, in lower case."""

    item: Item
    reader: PlainReader
    null_words: frozenset[str]


def item_reader(domain: Domain, item: Item, mapping: MappingDocument, received: datetime.date) -> CellRules:
    """The rules for one item that the mapping names."""
    stated = mapping.items[item.name]
    null_words = _null_words((*mapping.null, *stated.null))
    return CellRules(item, _rules(domain, item, mapping, stated, received), null_words)


@lru_cache(maxsize=1_000)
def _null_words(words: tuple[str, ...]) -> frozenset[str]:
    """The words for no value as cells are compared with them."""
    if not words:
        return frozenset()
    spelled = normalise_text(pl.Series(words, dtype=pl.String)).fill_null("").str.to_lowercase().to_list()
    return frozenset([*spelled, *(word.lower() for word in words)])


def read_item(cells: pl.Series, rules: CellRules) -> ItemCells:
    """Values and reasons of one item's cells, [rows]."""
    soft = rules.item.type not in (ItemType.TEXT, ItemType.CODE, ItemType.YES_NO)
    return read_column(cells, rules.reader, rules.null_words, soft=soft)


def _rules(
    domain: Domain, item: Item, mapping: MappingDocument, stated: ItemColumn, received: datetime.date
) -> PlainReader:
    match item.type:
        case ItemType.TEXT:
            return TextRules(item.name)
        case ItemType.CODE:
            known = tuple((code, tuple(words)) for code, words in item.codes.items())
            return _code_rules(item.name, known, tuple(stated.codes.items()))
        case ItemType.YES_NO:
            return YesNoRules.of(item.name, stated.codes)
        case ItemType.DATE:
            return DateRules(
                item.name,
                received,
                order=stated.date_order or (None if stated.days_since else mapping.date_order),
                period=stated.period,
                starts=domain.grain is Grain.PERIOD and item.name in domain.key,
                future=stated.future or item.name == domain.held_to,
                days_since=stated.days_since,
            )
        case _:
            return NumberRules(
                item.name,
                whole=item.type is ItemType.INTEGER,
                money=item.type is ItemType.AMOUNT,
                unit=stated.unit or (AS_WRITTEN if stated.unit_column else ""),
                decimal_comma=mapping.decimal_comma,
                counted=frozenset(COUNTED[word] for word in item.unit.lower().split() if word in COUNTED),
            )


@lru_cache(maxsize=1_000)
def _code_rules(
    item: str, known: tuple[tuple[str, tuple[str, ...]], ...], stated: tuple[tuple[str, str], ...]
) -> CodeRules:
    """The rules of an item's codes, made once for all files of a mapping."""
    return CodeRules.of(item, dict(known), dict(stated))
