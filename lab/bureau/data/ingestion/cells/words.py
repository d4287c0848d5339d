"""Texts, codes, and yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.bureau.data.ingestion.cells.column_reading import ItemCells
from lab.bureau.data.ingestion.reasons import SetAsideReason, row_reason
from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.booleans import parse_booleans
from lab.tables.cells.values.categories import category_keys

LONGEST_TEXT: Final = 1_000
"""Characters of a text item."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """How texts of one item are read: in one spelling (NFKC, single spaces, nothing invisible)."""

    item: str

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """Texts in which nothing needs to be changed."""
        return cells.set(~cells.str.contains(_PLAIN_TEXT), None)

    def read_odd(self, text: pl.Series) -> ItemCells:
        """Normalised texts."""
        return ItemCells(text, pl.Series([None], dtype=pl.String).new_from_index(0, text.len()))

    def check(self, values: pl.Series) -> pl.Series | None:
        """Texts that are too long."""
        if (values.str.len_bytes().max() or 0) <= LONGEST_TEXT:  # type: ignore[operator]
            return None
        long = (values.str.len_chars() > LONGEST_TEXT).fill_null(value=False)
        reasons = pl.Series([None], dtype=pl.String).new_from_index(0, values.len())
        return reasons.set(long, row_reason(SetAsideReason.TOO_LONG, self.item))


_PLAIN_TEXT: Final = r"^[0-9A-Za-z\x{4E00}-\x{9FFF}]+[0-9A-Za-z\x{4E00}-\x{9FFF}()\-]{5,}$"
"""Long enough to be none of the words for no value; without anything that normalising changes."""


@dataclass(frozen=True, slots=True)
class CodeRules:
    """How codes of one item are read: by the mapping's words, then by the catalogue's codes and words.

    ``keys``: the code of each known word, by the word's key (``category_keys``).
    """

    item: str
    codes: frozenset[str]
    keys: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, item: str, known: Mapping[str, tuple[str, ...]], stated: Mapping[str, str]) -> CodeRules:
        """Rules from the catalogue's codes with their words, and from what the mapping states."""
        words = {word: code for code, names in known.items() for word in (*names, code)}
        spelled = [*words, *stated]
        keys = category_keys(normalise_text(pl.Series(spelled, dtype=pl.String))).to_list()
        codes = [*words.values(), *stated.values()]
        return cls(item, frozenset(known), {key: code for key, code in zip(keys, codes, strict=True) if key})

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """Nothing: a column of codes has few distinct cells, and each is looked up once."""
        return pl.Series([None], dtype=pl.String).new_from_index(0, cells.len())

    def read_odd(self, text: pl.Series) -> ItemCells:
        """The code of each distinct cell."""
        keys = category_keys(text.str.replace(r"^([0-9]+)\.0+$", "$1"))
        values = (
            keys.replace_strict(dict(self.keys), default=None, return_dtype=pl.String)
            if self.keys
            else pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
        )
        reasons = pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
        unknown = values.is_null() & text.is_not_null()
        return ItemCells(values, reasons.set(unknown, row_reason(SetAsideReason.UNKNOWN_CODE, self.item)))

    def check(self, values: pl.Series) -> pl.Series | None:
        """Nothing more."""
        return None


@dataclass(frozen=True, slots=True)
class YesNoRules:
    """How yes and no of one item are read. ``stated``: further words (keys) and whether each is a yes."""

    item: str
    stated: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, item: str, stated: Mapping[str, str]) -> YesNoRules:
        """Rules from the mapping's words, each for ``yes`` or ``no``."""
        words = normalise_text(pl.Series(list(stated), dtype=pl.String)).str.to_lowercase().to_list()
        return cls(item, {word: code == "yes" for word, code in zip(words, stated.values(), strict=True) if word})

    def read_plain(self, cells: pl.Series) -> pl.Series:
        """Nothing: there are few distinct cells."""
        return pl.Series([None], dtype=pl.Boolean).new_from_index(0, cells.len())

    def read_odd(self, text: pl.Series) -> ItemCells:
        """Yes and no of each distinct cell."""
        values = parse_booleans(text) == 1.0
        if self.stated:
            stated = text.str.to_lowercase().replace_strict(dict(self.stated), default=None, return_dtype=pl.Boolean)
            values = stated.zip_with(stated.is_not_null(), values)
        reasons = pl.Series([None], dtype=pl.String).new_from_index(0, text.len())
        unknown = values.is_null() & text.is_not_null()
        return ItemCells(values, reasons.set(unknown, row_reason(SetAsideReason.NOT_YES_NO, self.item)))

    def check(self, values: pl.Series) -> pl.Series | None:
        """Nothing more."""
        return None
