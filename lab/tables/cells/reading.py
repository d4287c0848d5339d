"""How the cells of one column are read: its kind, and the conventions in which its values are written.

A model keeps the kind and conventions of each of its columns, so that the same text is the same value when it is
trained and when it is used. A cell is read by itself: the cells beside it change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import ConfigDict, Field

from lab.tables.cells.text import NULL_WORDS, apply_to_distinct, is_soft_null, is_word, normalise_text
from lab.tables.cells.values.booleans import WORDS, parse_booleans
from lab.tables.cells.values.categories import normalise_category
from lab.tables.cells.values.dates import parse_dates
from lab.tables.cells.values.numbers import (
    SURE_COMMAS,
    SURE_POINTS,
    is_decimal_point,
    numbers_among,
    parse_numbers,
    parse_plain,
)
from lab.tables.cells.values.sentinels import SENTINEL_DAYS

ColumnKind = Literal["numeric", "date", "boolean", "categorical"]
COLUMN_KINDS: Final[tuple[ColumnKind, ...]] = ("numeric", "date", "boolean", "categorical")
KIND_LABELS: Final[dict[str, str]] = {
    "numeric": "数字 number",
    "date": "日期 date",
    "boolean": "是否 yes/no",
    "categorical": "类别 category",
}
"""Each kind for people."""
NO_DATES: Final = (0.0, 99_999_999.0)
"""Numbers that stand for no date."""


@dataclass(frozen=True)
class CellReading:
    """The conventions of a column.

    ``decimal_comma``: ``1.234,5`` is 1234.5. ``day_first``: ``04/03/2021`` is 4 March. A cell that shows the contrary
    (``1,234.5``, ``04/13/2021``) cannot be read: beside it ``1,234`` and ``04/03/2021`` would be silently wrong.
    ``percent_points``: ``12%`` is 12, as the other cells of the column are written, not 0.12. ``day_first`` or
    ``percent_points`` None: the column does not show which, and a cell that needs it cannot be read.
    ``factor``: what a bare number is multiplied by (its unit). ``unit``: the unit of ``units.COUNTED`` that cells may
    name; a cell with another one cannot be read. ``null_words``: further words for no value, in lower case.
    ``sentinels``: numbers, of a date days since 1970-01-01, that stand for no value; numbers before ``factor``.
    """

    decimal_comma: bool = False
    day_first: bool | None = False
    percent_points: bool | None = False
    factor: Annotated[float, Field(gt=0)] = 1.0
    unit: Annotated[str, Field(max_length=20)] = ""
    null_words: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=100)] = ()
    sentinels: Annotated[tuple[float, ...], Field(max_length=100)] = ()

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class CellValues:
    """A column's cells as values, all [rows]. ``values``: Float64 (a number, days since 1970-01-01, or 1 and 0), or
    String for categories; null without a value. ``unreadable``: the cell has something that is not of the kind.
    ``contrary``: of these, the cell has the other decimal mark or order of day and month than the column.
    """

    values: pl.Series
    unreadable: pl.Series
    contrary: pl.Series

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
            values = _without(typed_values(column), reading.sentinels)
            values = values * reading.factor if kind == "numeric" else values
            return CellValues(values, _nowhere(column), _nowhere(column))
        column = column.cast(pl.String)
    if kind == "numeric":
        plain = _plain_numbers(column, reading)
        if plain is not None:
            return CellValues(plain, _nowhere(column), _nowhere(column))
    read = apply_to_distinct(column, lambda cells: _read_text(cells, kind, reading)).struct.unnest()
    return CellValues(read["value"].alias(column.name), read["unreadable"], read["contrary"])


def typed_values(column: pl.Series) -> pl.Series:
    """Float64 from a column that is not text; dates and times as days since 1970-01-01."""
    if column.dtype in (pl.Date, pl.Datetime):
        column = column.cast(pl.Date).cast(pl.Int32)
    return column.cast(pl.Float64, strict=False).fill_nan(None)


def _read_text(cells: pl.Series, kind: ColumnKind, reading: CellReading) -> pl.Series:
    """A struct of ``value``, ``unreadable`` and ``contrary`` for each cell."""
    text = normalise_text(cells)
    missing = text.is_null() | is_word(text, NULL_WORDS | frozenset(reading.null_words))
    stated = numbers_among(reading.null_words)
    if stated:
        missing = missing | parse_plain(text).is_in(stated).fill_null(value=False)
    if kind == "boolean":
        missing = missing | (is_soft_null(text) & ~is_word(text, WORDS))
    elif kind != "categorical":
        missing = missing | is_soft_null(text)
    if kind == "date":
        missing = missing | parse_plain(text).is_in(NO_DATES).fill_null(value=False)
    text = text.set(missing, None)
    absent = contrary = _nowhere(text)
    if kind == "numeric":
        values, absent, contrary = _numbers(text, reading)
    elif kind == "date":
        found = parse_dates(text, day_first=reading.day_first)
        if reading.day_first is not None:
            no_day = found.days.is_in([*SENTINEL_DAYS, *reading.sentinels])
            contrary = ((found.order == (-1 if reading.day_first else 1)) & ~no_day).fill_null(value=False)
        days = found.days.set(contrary, None)
        values = _without(days, reading.sentinels)
        absent = days.is_not_null() & values.is_null()
    else:
        values = parse_booleans(text) if kind == "boolean" else normalise_category(text)
    unreadable = values.is_null() & ~missing & ~absent
    return pl.DataFrame({"value": values, "unreadable": unreadable, "contrary": contrary & unreadable}).to_struct(
        "read"
    )


def _numbers(text: pl.Series, reading: CellReading) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Values, where a number stands for no value, and where the decimal mark is not that of the column."""
    found = parse_numbers(text, decimal_comma=reading.decimal_comma, percent_points=reading.percent_points)
    strange = found.counted.is_not_null() & (found.counted != reading.unit).fill_null(value=False)
    contrary = found.comma.is_in(SURE_POINTS if reading.decimal_comma else SURE_COMMAS)
    if reading.decimal_comma:
        contrary = contrary | (parse_plain(text).is_not_null() & is_decimal_point(text)).fill_null(value=False)
    values = found.values.set(strange | contrary, None)
    absent = ~found.absolute & values.is_in(list(reading.sentinels)).fill_null(value=False)
    bare = ~found.absolute | (found.percent & bool(reading.percent_points))
    scaled = values.zip_with(~bare, values * reading.factor) if reading.factor != 1.0 else values
    return scaled.set(absent, None), absent, contrary


def _plain_numbers(column: pl.Series, reading: CellReading) -> pl.Series | None:
    """The column as numbers if every cell is a plain number or empty, which is usual and quick; None if not."""
    if reading.decimal_comma or reading.null_words:
        return None
    values = column.cast(pl.Float64, strict=False)
    if values.null_count() != column.null_count():
        text = column.filter(values.is_null()).drop_nulls()
        if (text.str.strip_chars() != "").any():
            return None
    if values.is_nan().any():
        return None
    values = _without(values, reading.sentinels)
    return (values * reading.factor if reading.factor != 1.0 else values).alias(column.name)


def _without(values: pl.Series, sentinels: tuple[float, ...]) -> pl.Series:
    return values.set(values.is_in(list(sentinels)).fill_null(value=False), None) if sentinels else values


def _nowhere(column: pl.Series) -> pl.Series:
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, column.len())
