"""Reading one column: plainly where that works, as people write it where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import polars as pl

from lab.tables.cells.text import NULL_WORDS, is_soft_null, is_word, normalise_text


@dataclass(frozen=True, slots=True)
class ItemCells:
    """The values of one item, null where the cell has none, and reasons (String, null: none), both [rows]."""

    values: pl.Series
    reasons: pl.Series


class PlainReader(Protocol):
    """How the cells of one item are read."""

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """The values of cells that are written plainly, null for all others; String [rows] in, values [rows] out."""

    def read_odd(self, text: pl.Series) -> ItemCells:
        """Values and reasons of distinct cells that are not plain, [cells]; ``text``: normalised, null: no value."""

    def check(self, values: pl.Series) -> pl.Series | None:
        """Reasons why values cannot be, however they were written, [rows]; None if there is nothing to check."""


def read_column(cells: pl.Series, reader: PlainReader, null_words: frozenset[str], *, soft: bool = True) -> ItemCells:
    """Read one column of text, [rows].

    ``null_words``: cells, in lower case, that the mapping calls empty. ``soft``: words such as ``无`` and ``--`` are no
    value, as in a column of numbers.
    """
    plain = cells if not null_words else cells.set(is_word(cells, null_words), None)
    values = reader.read_plain(plain)
    reasons = pl.Series("reason", [None], dtype=pl.String).new_from_index(0, cells.len())
    odd = (values.is_null() & plain.is_not_null()).arg_true()
    if odd.len():
        part = plain.gather(odd)
        distinct = part.unique()
        text = normalise_text(distinct)
        empty = is_word(text, NULL_WORDS | null_words)
        text = text.set(empty | is_soft_null(text) if soft else empty, None)
        read = reader.read_odd(text)
        table = pl.DataFrame({"cell": distinct, "value": read.values, "reason": read.reasons})
        found = part.to_frame("cell").join(table, on="cell", how="left", maintain_order="left")
        values = values.scatter(odd, found["value"])
        reasons = reasons.scatter(odd, found["reason"])
    checked = reader.check(values)
    if checked is not None and checked.null_count() < checked.len():
        reasons = reasons.zip_with(reasons.is_not_null(), checked)
    return ItemCells(values, reasons)
