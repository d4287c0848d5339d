"""Cells as dates, read as days since 1970-01-01 (ISO 8601 calendar): ``2021-03-04``, ``2021/3/4``, ``2021年3月4日``.

A time of day is left out. The order of day and month in ``04/03/2021`` cannot be told from one cell, so it is a
convention of the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

_TIME: Final = (
    r"(?:[ t]?[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\s*(?:am|pm)?\s*(?:z|[+\-][0-9]{2}:?[0-9]{2})?)?$"
)
_YEAR_FIRST: Final = rf"^([0-9]{{4}})\s*[\-/.年]\s*([0-9]{{1,2}})\s*[\-/.月]\s*([0-9]{{1,2}})\s*日?{_TIME}"
_MONTH_ONLY: Final = r"^([0-9]{4})\s*[\-/年]\s*([0-9]{1,2})\s*月?$"
_COMPACT: Final = r"^((?:19|20)[0-9]{2})([01][0-9])([0-3][0-9])$"
_YEAR_LAST: Final = rf"^([0-9]{{1,2}})[\-/.]([0-9]{{1,2}})[\-/.]([0-9]{{4}}){_TIME}"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED: Final = rf"^([0-9]{{1,2}})[\-/. ]({'|'.join(_MONTHS)})[a-z]*[\-/., ]+([0-9]{{4}}|[0-9]{{2}}){_TIME}"
_TWO_DIGIT_PIVOT: Final = 69
"""Two-digit years: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (POSIX ``strptime``)."""


@dataclass(frozen=True, slots=True)
class DateCells:
    """Cells read as dates, all [rows]. ``days``: Float64, days since 1970-01-01, null where the cell is no date.
    ``compact``: eight digits, a date only if the whole column says so. ``order``: 1 where the first number can only be
    the day, -1 where it can only be the month, 2 where it can be either, 0 elsewhere.
    """

    days: pl.Series
    compact: pl.Series
    order: pl.Series


def parse_dates(text: pl.Series, *, day_first: bool = False) -> DateCells:
    """Read normalised text (``cells.text.normalise_text``) as dates; a date that no calendar has is no date."""
    cell = pl.col("cell")
    table = text.to_frame("cell").select(cell=cell.str.to_lowercase())
    first, second = _part(_YEAR_LAST, 1), _part(_YEAR_LAST, 2)
    swapped = (second > 12) if not day_first else (first <= 12) & (second > 12)
    day = pl.when(pl.lit(day_first) & ~swapped).then(first).otherwise(second)
    month = pl.when(pl.lit(day_first) & ~swapped).then(second).otherwise(first)
    late = ~pl.lit(day_first) & (first > 12)
    day, month = pl.when(late).then(first).otherwise(day), pl.when(late).then(second).otherwise(month)
    named_month = cell.str.extract(_NAMED, 2).replace_strict(
        list(_MONTHS), list(range(1, 13)), default=None, return_dtype=pl.Int32
    )
    short = _part(_NAMED, 3)
    named_year = (
        pl.when(short >= 100).then(short).when(short >= _TWO_DIGIT_PIVOT).then(short + 1900).otherwise(short + 2000)
    )
    found = table.select(
        day=pl.coalesce(
            _date(_part(_YEAR_FIRST, 1), _part(_YEAR_FIRST, 2), _part(_YEAR_FIRST, 3)),
            _date(_part(_COMPACT, 1), _part(_COMPACT, 2), _part(_COMPACT, 3)),
            _date(_part(_MONTH_ONLY, 1), _part(_MONTH_ONLY, 2), pl.lit(1)),
            _date(_part(_YEAR_LAST, 3), month, day),
            _date(named_year, named_month, _part(_NAMED, 1)),
        ),
        compact=cell.str.contains(_COMPACT).fill_null(value=False),
        order=pl.when((first > 12) & (second <= 12))
        .then(1)
        .when((second > 12) & (first <= 12))
        .then(-1)
        .when(first.is_not_null() & (first != second))
        .then(2)
        .otherwise(0)
        .cast(pl.Int8),
    )
    return DateCells(found["day"].cast(pl.Int32).cast(pl.Float64), found["compact"], found["order"])


def _part(pattern: str, group: int) -> pl.Expr:
    return pl.col("cell").str.extract(pattern, group).cast(pl.Int32, strict=False)


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """The date of three numbers, null for one that no calendar has."""
    padded = pl.concat_str(
        year.cast(pl.String), month.cast(pl.String).str.zfill(2), day.cast(pl.String).str.zfill(2), separator="-"
    )
    return padded.str.to_date("%Y-%m-%d", strict=False)
