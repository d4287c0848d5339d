"""How the cells of one column are read: its kind, and the conventions in which its values are written.

A model keeps the kind and conventions of each of its columns, so that the same text is the same value when it is
trained and when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import ConfigDict, Field

from lab.tables.cells.booleans import parse_booleans
from lab.tables.cells.dates import parse_dates
from lab.tables.cells.numbers import parse_numbers
from lab.tables.cells.text import NULL_WORDS, NUMBER_NULL_WORDS, apply_to_distinct, is_word, normalise_text

ColumnKind = Literal["numeric", "date", "boolean", "categorical"]
COLUMN_KINDS: Final[tuple[ColumnKind, ...]] = ("numeric", "date", "boolean", "categorical")
MAX_CATEGORY_CHARACTERS: Final = 200
_ONE_SPELLING: Final = frozenset(("true", "false", "yes", "no"))


@dataclass(frozen=True)
class CellReading:
    """The conventions of a column.

    ``decimal_comma``: ``1.234,5`` is 1234.5. ``day_first``: ``04/03/2021`` is 4 March. ``percent_points``: ``12%`` is
    12, as the other cells of the column are written, not 0.12. ``factor``: what a bare number is multiplied by (its
    unit). ``null_words``: further words for no value, in lower case. ``sentinels``: numbers that stand for no value.
    """

    decimal_comma: bool = False
    day_first: bool = False
    percent_points: bool = False
    factor: Annotated[float, Field(gt=0)] = 1.0
    null_words: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=100)] = ()
    sentinels: Annotated[tuple[float, ...], Field(max_length=20)] = ()

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class CellValues:
    """A column's cells as values, all [rows]. ``values``: Float64 (a number, days since 1970-01-01, or 1 and 0), or
    String for categories; null without a value. ``unreadable``: the cell has something that is not of the kind.
    """

    values: pl.Series
    unreadable: pl.Series

    @property
    def missing_count(self) -> int:
        """How many cells have no value, without the unreadable ones."""
        return self.values.null_count() - self.unreadable_count

    @property
    def unreadable_count(self) -> int:
        """How many cells could not be read."""
        return int(self.unreadable.sum())


def read_cells(column: pl.Series, kind: ColumnKind, reading: CellReading) -> CellValues:
    """Read a column of text, or of values that are typed already (numbers, dates, booleans)."""
    if column.dtype != pl.String:
        if kind != "categorical":
            return CellValues(_without_sentinels(typed_values(column), reading), _nowhere(column))
        column = column.cast(pl.String)
    if kind == "numeric":
        plain = _plain_numbers(column, reading)
        if plain is not None:
            return CellValues(_without_sentinels(plain * reading.factor, reading), _nowhere(column))
    read = apply_to_distinct(column, lambda cells: _read_text(cells, kind, reading)).struct.unnest()
    values = read["value"]
    if kind != "categorical":
        values = _without_sentinels(values, reading)
    return CellValues(values.alias(column.name), read["unreadable"])


def typed_values(column: pl.Series) -> pl.Series:
    """Float64 from a column that is not text; dates and times as days since 1970-01-01."""
    if column.dtype in (pl.Date, pl.Datetime):
        column = column.cast(pl.Date).cast(pl.Int32)
    return column.cast(pl.Float64, strict=False).fill_nan(None)


def normalise_category(text: pl.Series) -> pl.Series:
    """Categories in one spelling, from normalised text: whole numbers without ``.0``, yes and no in lower case."""
    text = text.str.replace(r"^([0-9]+)\.0+$", "$1").str.slice(0, MAX_CATEGORY_CHARACTERS)
    return text.zip_with(~is_word(text, _ONE_SPELLING), text.str.to_lowercase())


def _read_text(cells: pl.Series, kind: ColumnKind, reading: CellReading) -> pl.Series:
    """A struct of ``value`` and ``unreadable`` for each cell."""
    text = normalise_text(cells)
    words = NULL_WORDS | frozenset(reading.null_words)
    if kind in ("numeric", "date"):
        words |= NUMBER_NULL_WORDS
    missing = text.is_null() | is_word(text, words)
    text = text.set(missing, None)
    if kind == "numeric":
        values = _numbers(text, reading)
    elif kind == "date":
        values = parse_dates(text, day_first=reading.day_first).days
    else:
        values = parse_booleans(text) if kind == "boolean" else normalise_category(text)
    return pl.DataFrame({"value": values, "unreadable": values.is_null() & ~missing}).to_struct("read")


def _numbers(text: pl.Series, reading: CellReading) -> pl.Series:
    found = parse_numbers(text, decimal_comma=reading.decimal_comma)
    value = pl.col("value")
    percent = value * reading.factor if reading.percent_points else value / 100.0
    scaled = pl.when("percent").then(percent).when("unit").then(value).otherwise(value * reading.factor)
    table = pl.DataFrame({"value": found.values, "percent": found.percent, "unit": found.unit})
    return table.select(scaled)["value"]


def _plain_numbers(column: pl.Series, reading: CellReading) -> pl.Series | None:
    """The column as numbers if every cell is a plain number or empty, which is usual and quick; None if not."""
    if reading.decimal_comma or reading.null_words:
        return None
    text = column.str.strip_chars()
    text = text.set(text == "", None)
    values = text.cast(pl.Float64, strict=False)
    if values.null_count() != text.null_count() or bool(values.is_nan().any()):
        return None
    return values.alias(column.name)


def _without_sentinels(values: pl.Series, reading: CellReading) -> pl.Series:
    return values.set(values.is_in(list(reading.sentinels)), None) if reading.sentinels else values


def _nowhere(column: pl.Series) -> pl.Series:
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, column.len())
