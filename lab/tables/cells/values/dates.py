"""Cells as dates, read as days since 1970-01-01 (ISO 8601 calendar): ``2021-03-04``, ``2021/3/4``, ``2021年3月4日``.

A time of day is left out; a month or a quarter is its first day. In a column of dates a number from 20000 to 69999 is a
day as spreadsheets count them (from 1899-12-30). The order of day and month in ``04/03/2021`` cannot be told from one
cell, so it is a convention of the column. A year of two digits is read only behind the name of a month.
"""

from __future__ import annotations

from collections.abc import Iterable
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
SERIAL: Final = r"^([2-6][0-9]{4})(?:\.[0-9]+)?$"
"""A day as spreadsheets count them; ``FIRST_SERIAL`` up to, not including, ``LAST_SERIAL``."""
FIRST_SERIAL, LAST_SERIAL = 20_000.0, 70_000.0
SERIAL_START: Final = -25_569
"""1899-12-30 in days since 1970-01-01."""
_YEAR_LAST: Final = rf"^([0-9]{{1,2}})[\-/.]([0-9]{{1,2}})[\-/.]([0-9]{{4}}){_TIME}"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME: Final = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_WEEKDAY: Final = r"^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+|(?:星期|周)[一二三四五六日天],?\s*)"
_NAMED: Final = rf"^([0-9]{{1,2}})(?:st|nd|rd|th)?[\-/. ]{_NAME}[\-/., ]+([0-9]{{4}}|[0-9]{{2}}){_TIME}"
_NAMED_FIRST: Final = rf"^{_NAME}\s*([0-9]{{1,2}})(?:st|nd|rd|th)?[, ]+([0-9]{{4}}){_TIME}"
_ISO: Final = r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?:[ tT][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?Z?)?$"
_MAYBE: Final = (
    r"(?i)^(?:[0-9]|(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|星期|周).*[0-9]"
)
"""How a date begins, and that there is a digit in it: a quick test of what need not be looked at."""
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


def parse_dates(text: pl.Series, *, day_first: bool | None = False) -> DateCells:
    """Read normalised text (``cells.text.normalise_text``) as dates; a date that no calendar has is no date.

    ``day_first``: ``04/03/2021`` is 4 March; None: no date, as the day is not known.
    """
    iso = text.str.extract(_ISO, 1)
    days = iso.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    rest = days.is_null() & text.str.contains(_MAYBE).fill_null(value=False)
    places, found = rest.arg_true(), _read_rest(text.filter(rest), day_first=day_first)

    def spread(part: pl.Series, default: bool | int, dtype: type[pl.DataType]) -> pl.Series:
        blank = pl.Series([default], dtype=dtype).new_from_index(0, text.len())
        return blank.scatter(places, part) if part.len() else blank

    return DateCells(
        days.scatter(places, found["days"]) if found.height else days,
        spread(found["bare"], False, pl.Boolean),
        spread(found["serial"], False, pl.Boolean),
        spread(found["order"], 0, pl.Int8),
        spread(found["unclear"], False, pl.Boolean),
    )


def days_among(words: Iterable[str]) -> list[float]:
    """Those of the words that are dates, as days since 1970-01-01; digits that a spreadsheet counts are a number."""
    found = parse_dates(pl.Series(sorted(words), dtype=pl.String))
    return found.days.filter(~found.serial).drop_nulls().to_list()


def _read_rest(text: pl.Series, *, day_first: bool | None) -> pl.DataFrame:
    """The columns of ``DateCells`` for cells in other forms than ``2021-03-04``, [rows]."""
    cell = pl.col("cell")
    table = text.to_frame("cell").select(cell=cell.str.to_lowercase().str.replace(_WEEKDAY, ""))
    first, second = _part(_YEAR_LAST, 1), _part(_YEAR_LAST, 2)
    first_is_day = (first > 12) | (pl.lit(bool(day_first)) & (second <= 12))
    day = pl.when(first_is_day).then(first).otherwise(second)
    month = pl.when(first_is_day).then(second).otherwise(first)
    either = pl.when(first.is_not_null() & (first != second)).then(2).otherwise(0)
    only_month = pl.when((second > 12) & (first <= 12)).then(-1).otherwise(either)
    dated = table.select(
        calendar=pl.coalesce(
            _date(_part(_YEAR_FIRST, 1), _part(_YEAR_FIRST, 2), _part(_YEAR_FIRST, 3)),
            _date(_part(_MONTH_ONLY, 1), _part(_MONTH_ONLY, 2), pl.lit(1)),
            pl.when(pl.lit(day_first is not None) | (either == 0) | (first > 12) | (second > 12)).then(
                _date(_part(_YEAR_LAST, 3), month, day)
            ),
            _quarter(),
        ),
        named=_named_date() if table["cell"].str.contains(_NAME).any() else pl.lit(None, dtype=pl.Date),
        compact=pl.coalesce(
            _date(_part(_COMPACT, 1), _part(_COMPACT, 2), _part(_COMPACT, 3)),
            _date(_part(_COMPACT_MONTH, 1), _part(_COMPACT_MONTH, 2), pl.lit(1)),
        ),
        counted=_part(SERIAL, 1) + SERIAL_START,
        unclear=cell.str.contains(_UNCLEAR).fill_null(value=False),
        order=pl.when((first > 12) & (second <= 12)).then(1).otherwise(only_month).cast(pl.Int8),
    )
    calendar = pl.coalesce("calendar", "named", "compact").cast(pl.Int32)
    return dated.select(
        days=pl.coalesce(calendar, "counted").cast(pl.Float64),
        bare=pl.col("compact").is_not_null() | pl.col("counted").is_not_null(),
        serial=pl.col("compact").is_null() & pl.col("counted").is_not_null(),
        order="order",
        unclear="unclear",
    )


def _named_date() -> pl.Expr:
    """The date of ``4 Mar 2021`` and ``Mar 4, 2021``."""
    short = _part(_NAMED, 3)
    year = pl.when(short >= 100).then(short).when(short >= _TWO_DIGIT_PIVOT).then(short + 1900).otherwise(short + 2000)
    return pl.coalesce(
        _date(year, _month_number(_NAMED, 2), _part(_NAMED, 1)),
        _date(_part(_NAMED_FIRST, 3), _month_number(_NAMED_FIRST, 1), _part(_NAMED_FIRST, 2)),
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
