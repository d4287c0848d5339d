"""Cells as dates, read as days since 1970-01-01 (ISO 8601 calendar): ``2021-03-04``, ``2021/3/4``, ``2021年3月4日``.

A time of day is left out; a month or a quarter is its first day. In a column of dates a number from 20000 to 69999 is a
day as spreadsheets count them (from 1899-12-30). The order of day and month in ``04/03/2021`` cannot be told from one
cell, so it is a convention of the column. A year of two digits is read only behind the name of a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

_ZONE: Final = r"(?:z|utc|gmt|cst|[+\-][0-9]{2}:?(?:[0-9]{2})?)"
_CLOCK: Final = r"[0-9]{1,2}(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?|[时点](?:[0-9]{1,2}分)?(?:[0-9]{1,2}秒)?)"
_TIME: Final = rf"(?:[ t]?(?:上午|下午|am |pm )?\s*{_CLOCK}\s*(?:am|pm|上午|下午)?\s*{_ZONE}?)?$"
_YEAR_FIRST: Final = rf"^([0-9]{{4}})\s*[\-/.年]\s*([0-9]{{1,2}})\s*[\-/.月]\s*([0-9]{{1,2}})\s*日?{_TIME}"
_MONTH_ONLY: Final = r"^([0-9]{4})\s*[\-/年]\s*([0-9]{1,2})\s*月?份?$"
_QUARTER: Final = r"^([0-9]{4})\s*[\-年]?\s*(?:q|第?)\s*([1-4一二三四])\s*(?:季度|季|)$"
_QUARTER_SURE: Final = r"(?:q|季)"
_COMPACT: Final = r"^((?:19|20)[0-9]{2}|9999)([01][0-9])([0-3][0-9])(?:[0-2][0-9][0-5][0-9][0-5][0-9])?$"
_COMPACT_MONTH: Final = r"^((?:19|20)[0-9]{2})([01][0-9])$"
_SERIAL: Final = r"^([2-6][0-9]{4})(?:\.[0-9]+)?$"
_SERIAL_START: Final = -25_569
"""1899-12-30 in days since 1970-01-01."""
_YEAR_LAST: Final = rf"^([0-9]{{1,2}})[\-/.]([0-9]{{1,2}})[\-/.]([0-9]{{4}}){_TIME}"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME: Final = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_WEEKDAY: Final = r"^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+|(?:星期|周)[一二三四五六日天],?\s*)"
_NAMED: Final = rf"^([0-9]{{1,2}})(?:st|nd|rd|th)?[\-/. ]{_NAME}[\-/., ]+([0-9]{{4}}|[0-9]{{2}}){_TIME}"
_NAMED_FIRST: Final = rf"^{_NAME}\s*([0-9]{{1,2}})(?:st|nd|rd|th)?[, ]+([0-9]{{4}}){_TIME}"
_UNCLEAR: Final = r"^[0-9]{1,2}[\-/.][0-9]{1,2}[\-/.][0-9]{2}$"
_TWO_DIGIT_PIVOT: Final = 69
"""Two-digit years: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (POSIX ``strptime``)."""


@dataclass(frozen=True, slots=True)
class DateCells:
    """Cells read as dates, all [rows]. ``days``: Float64, days since 1970-01-01, null where the cell is no date.
    ``bare``: digits alone, a date only if the column says so. ``serial``: of these, a spreadsheet's day. ``order``: 1
    where the first number can only be the day, -1 where it can only be the month, 2 where it can be either, 0
    elsewhere. ``unclear``: a date with two digits for the year, which is not read.
    """

    days: pl.Series
    bare: pl.Series
    serial: pl.Series
    order: pl.Series
    unclear: pl.Series


def parse_dates(text: pl.Series, *, day_first: bool = False) -> DateCells:
    """Read normalised text (``cells.text.normalise_text``) as dates; a date that no calendar has is no date."""
    cell = pl.col("cell")
    table = text.to_frame("cell").select(cell=cell.str.to_lowercase().str.replace(_WEEKDAY, ""))
    first, second = _part(_YEAR_LAST, 1), _part(_YEAR_LAST, 2)
    first_is_day = (first > 12) | (pl.lit(day_first) & (second <= 12))
    day = pl.when(first_is_day).then(first).otherwise(second)
    month = pl.when(first_is_day).then(second).otherwise(first)
    short = _part(_NAMED, 3)
    year = pl.when(short >= 100).then(short).when(short >= _TWO_DIGIT_PIVOT).then(short + 1900).otherwise(short + 2000)
    serial = _part(_SERIAL, 1)
    dated = table.select(
        calendar=pl.coalesce(
            _date(_part(_YEAR_FIRST, 1), _part(_YEAR_FIRST, 2), _part(_YEAR_FIRST, 3)),
            _date(_part(_MONTH_ONLY, 1), _part(_MONTH_ONLY, 2), pl.lit(1)),
            _date(_part(_YEAR_LAST, 3), month, day),
            _date(year, _month_number(_NAMED, 2), _part(_NAMED, 1)),
            _date(_part(_NAMED_FIRST, 3), _month_number(_NAMED_FIRST, 1), _part(_NAMED_FIRST, 2)),
            _quarter(),
        ),
        bare=pl.coalesce(
            _date(_part(_COMPACT, 1), _part(_COMPACT, 2), _part(_COMPACT, 3)),
            _date(_part(_COMPACT_MONTH, 1), _part(_COMPACT_MONTH, 2), pl.lit(1)),
        ),
        serial=serial + _SERIAL_START,
        unclear=cell.str.contains(_UNCLEAR).fill_null(value=False),
        order=pl.when((first > 12) & (second <= 12))
        .then(1)
        .when((second > 12) & (first <= 12))
        .then(-1)
        .when(first.is_not_null() & (first != second))
        .then(2)
        .otherwise(0)
        .cast(pl.Int8),
    )
    bare, counted = dated["bare"].cast(pl.Int32), dated["serial"]
    days = dated.select(pl.coalesce(pl.col("calendar").cast(pl.Int32), pl.col("bare").cast(pl.Int32), "serial"))
    return DateCells(
        days.to_series().cast(pl.Float64),
        bare.is_not_null() | counted.is_not_null(),
        bare.is_null() & counted.is_not_null(),
        dated["order"],
        dated["unclear"],
    )


def _part(pattern: str, group: int) -> pl.Expr:
    return pl.col("cell").str.extract(pattern, group).cast(pl.Int32, strict=False)


def _month_number(pattern: str, group: int) -> pl.Expr:
    names = dict(zip(_MONTHS, range(1, 13), strict=True))
    return pl.col("cell").str.extract(pattern, group).replace_strict(names, default=None, return_dtype=pl.Int32)


def _quarter() -> pl.Expr:
    """The first day of ``2021Q1``, ``2021年第1季度``, ``2021年一季度``."""
    cell = pl.col("cell")
    numbers = {str(n): n for n in range(1, 5)} | dict(zip("一二三四", range(1, 5), strict=True))
    quarter = cell.str.extract(_QUARTER, 2).replace_strict(numbers, default=None, return_dtype=pl.Int32)
    return pl.when(cell.str.contains(_QUARTER_SURE)).then(_date(_part(_QUARTER, 1), quarter * 3 - 2, pl.lit(1)))


def _date(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """The date of three numbers, null for one that no calendar has."""
    padded = pl.concat_str(
        year.cast(pl.String).str.zfill(4),
        month.cast(pl.String).str.zfill(2),
        day.cast(pl.String).str.zfill(2),
        separator="-",
    )
    return padded.str.to_date("%Y-%m-%d", strict=False)
