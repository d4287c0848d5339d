"""Rows of a delivery as records of a domain: the enterprise, the items as values, or why a row is set aside."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.bureau.data.catalogue.item_definition import Domain, Item, ItemType
from lab.bureau.data.ingestion.cells import CellRules, item_reader, read_item
from lab.bureau.data.ingestion.enterprises import LegacyCodes, identify_enterprises
from lab.bureau.data.ingestion.mapping.checking import ROW_COLUMNS, needed_items
from lab.bureau.data.ingestion.mapping.document import MappingFile
from lab.bureau.data.ingestion.reasons import SetAsideReason, join_reasons, row_reason
from lab.tables.table_file import TableChunk
from lab.terms.identifiers import IdentifierNote

ROW: Final = " row"
"""The row's number in the file; a header's names never begin with a space."""
REASON: Final = " reason"
KINDS: Final[dict[ItemType, type[pl.DataType]]] = {
    ItemType.TEXT: pl.String,
    ItemType.CODE: pl.String,
    ItemType.INTEGER: pl.Int64,
    ItemType.NUMBER: pl.Float64,
    ItemType.AMOUNT: pl.Float64,
    ItemType.DATE: pl.Date,
    ItemType.YES_NO: pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Consecutive rows of a delivery.

    ``records``: ROW, ``enterprise``, ``held_from``, ``held_to`` and all items of the domain as values, [rows]; of those
    that are set aside some are null. ``reasons``: why a row is set aside, null for good rows, String [rows].
    ``cells``: ROW and the file's columns as text, [rows] and those without the right number of fields, which
    ``broken`` gives with ROW and REASON.
    """

    records: pl.DataFrame
    reasons: pl.Series
    cells: pl.DataFrame
    broken: pl.DataFrame
    unmapped: pl.Series
    mapped: int
    notes: Mapping[IdentifierNote, int] = field(default_factory=Counter)


class RowReader:
    """Reads the rows of one delivery by its mapping. ``partial``: of a correction or deletion, for which the key is
    enough."""

    def __init__(
        self,
        domain: Domain,
        mapping: MappingFile,
        legacy: LegacyCodes,
        received: datetime.date,
        *,
        partial: bool = False,
    ) -> None:
        self._domain, self._mapping, self._legacy = domain, mapping, legacy
        self._rules: dict[str, CellRules] = {
            name: item_reader(domain, domain.item(name), mapping.document, received) for name in mapping.items
        }
        self._needed = frozenset(domain.key) if partial else needed_items(domain)

    def read(self, chunk: TableChunk) -> ReadRows:
        """Read one chunk."""
        frame, document = chunk.frame, self._mapping.document
        enterprises = identify_enterprises(frame[document.enterprise.column], document.enterprise.kind, self._legacy)
        values, reasons = [enterprises.codes], [enterprises.reasons]
        for item in self._domain.items:
            column, why = self._read(item, frame)
            values.append(column)
            reasons += [one for one in why if one.null_count() < one.len()]
        table = pl.DataFrame(values)
        early = self._ends_early(table)
        reasons += [early] if early is not None else []
        numbers = pl.Series(ROW, chunk.row_numbers, dtype=pl.Int64)
        records = table.select(
            numbers,
            "enterprise",
            pl.col(self._domain.held_from).alias("held_from"),
            (pl.col(self._domain.held_to) if self._domain.held_to else pl.lit(None, dtype=pl.Date)).alias("held_to"),
            *(item.name for item in self._domain.items),
        )
        broken = pl.DataFrame(
            {ROW: [one.row for one in chunk.rejected], REASON: [one.reason.value for one in chunk.rejected]},
            schema={ROW: pl.Int64, REASON: pl.String},
        )
        return ReadRows(
            records,
            join_reasons(reasons),
            self._without_row_columns(frame).insert_column(0, numbers),
            broken,
            enterprises.unmapped,
            enterprises.mapped,
            enterprises.notes,
        )

    def _without_row_columns(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The delivery's own columns: a file of rows set aside has two more, which are written anew."""
        read = self._mapping.columns()
        added = [name for name in ROW_COLUMNS if name in frame.columns and name not in read]
        return frame.drop(added) if len(added) == len(ROW_COLUMNS) else frame.clone()

    def _read(self, item: Item, frame: pl.DataFrame) -> tuple[pl.Series, list[pl.Series]]:
        """One item's values under its name, and reasons."""
        kind = KINDS[item.type]
        blank = pl.Series(item.name, [None], dtype=kind).new_from_index(0, frame.height)
        rules = self._rules.get(item.name)
        if rules is None:
            return blank, []
        found = read_item(self._cells(item.name, frame), rules)
        values = found.values.cast(kind).alias(item.name)
        reasons = [found.reasons]
        if item.name in self._needed:
            absent = values.is_null() & found.reasons.is_null()
            if absent.any():
                missing = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
                reasons.append(missing.set(absent, row_reason(SetAsideReason.MISSING, item.name)))
        return values, reasons

    def _cells(self, name: str, frame: pl.DataFrame) -> pl.Series:
        stated = self._mapping.items[name]
        if stated.column is None:
            return pl.Series(name, [stated.constant], dtype=pl.String).new_from_index(0, frame.height)
        cells = frame[stated.column]
        if stated.unit_column is None:
            return cells
        joined = pl.concat_str(pl.col(stated.column), pl.col(stated.unit_column).fill_null(""))
        return frame.select(joined.alias(name))[name]

    def _ends_early(self, table: pl.DataFrame) -> pl.Series | None:
        """Records that end before they begin."""
        begins, ends = self._domain.held_from, self._domain.held_to
        if not ends:
            return None
        early = (table[ends] < table[begins]).fill_null(value=False)
        if not early.any():
            return None
        reasons = pl.Series([None], dtype=pl.String).new_from_index(0, table.height)
        return reasons.set(early, row_reason(SetAsideReason.ENDS_EARLY, ends))
