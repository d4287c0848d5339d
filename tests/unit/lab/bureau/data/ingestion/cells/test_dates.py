"""Dates in every dress, and the days that cannot be."""

from __future__ import annotations

import datetime

import polars as pl
import pytest

from lab.bureau.data.ingestion.cells.column_reading import read_column
from lab.bureau.data.ingestion.cells.dates import DateRules

DAY = datetime.date(2026, 6, 1)


def read(rules: DateRules, cell: str) -> tuple[datetime.date | None, str | None]:
    """Value and reason of one cell."""
    found = read_column(pl.Series([cell], dtype=pl.String), rules, frozenset())
    return found.values[0], found.reasons[0]


@pytest.mark.parametrize(
    "cell",
    [
        "2024-03-04", "20240304", "2024/3/4", "2024.3.4", "2024年3月4日", "2024-03-04 00:00:00",
        "2024-03-04T08:00:00Z", "4 Mar 2024", "45355", "２０２４－０３－０４",
    ],
)  # fmt: skip
def test_a_date_in_any_dress(cell: str) -> None:
    assert read(DateRules("d", DAY), cell) == (datetime.date(2024, 3, 4), None)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1899-12-30", "stand-in-date"), ("1899-12-31", "stand-in-date"), ("1900-01-01", "stand-in-date"),
        ("0001-01-01", "stand-in-date"), ("9999-12-31", "stand-in-date"), ("99991231", "stand-in-date"),
        ("2099-12-31", "stand-in-date"), ("2026-06-02", "future-date"), ("2026-06-01", None), ("1900-01-02", None),
        ("1970-01-01", None), ("2023-02-29", "not-a-date"), ("soon", "not-a-date"), ("04/03/2024", "date-order"),
        ("5/6/21", "date-order"), ("长期", None), ("", None),
    ],
)  # fmt: skip
def test_days_that_cannot_be(cell: str, reason: str | None) -> None:
    found = read(DateRules("d", DAY), cell)
    assert found[1] == (f"{reason}:d" if reason else None)


def test_the_order_of_day_and_month_is_the_mappings() -> None:
    assert read(DateRules("d", DAY, order="day-first"), "04/03/2024")[0] == datetime.date(2024, 3, 4)
    assert read(DateRules("d", DAY, order="month-first"), "04/03/2024")[0] == datetime.date(2024, 4, 3)
    assert read(DateRules("d", DAY, order="month-first"), "25/03/2024") == (None, "date-order:d")


def test_the_end_of_a_permit_may_be_to_come() -> None:
    assert read(DateRules("d", DAY, future=True), "2031-06-01")[1] is None
    assert read(DateRules("d", DAY, future=True), "9999-12-31")[1] == "stand-in-date:d"


def test_a_period_is_its_first_day() -> None:
    rules = DateRules("d", DAY, starts=True)
    assert read(rules, "2024年3月") == (datetime.date(2024, 3, 1), None)
    assert read(rules, "2024Q2") == (datetime.date(2024, 4, 1), None)
    assert read(rules, "2024-03-31")[1] == "period-start:d"
    assert read(DateRules("d", DAY, starts=True, period="month"), "2024-03-31") == (datetime.date(2024, 3, 1), None)
    assert read(DateRules("d", DAY, starts=True, period="year"), "2024年度") == (datetime.date(2024, 1, 1), None)


@pytest.mark.parametrize(
    ("cell", "day"),
    [("15074", datetime.date(2001, 4, 9)), ("0", datetime.date(1960, 1, 1)), ("-1", datetime.date(1959, 12, 31)),
     ("15074.0", datetime.date(2001, 4, 9))],
)  # fmt: skip
def test_counts_of_days_since_a_day(cell: str, day: datetime.date) -> None:
    assert read(DateRules("d", DAY, days_since=datetime.date(1960, 1, 1)), cell) == (day, None)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("2001-04-09", "not-a-date"), ("15074.5", "not-a-date"), ("9999999", "not-a-date"), ("24500", "future-date"),
     ("-36500", "stand-in-date"), ("", None)],
)  # fmt: skip
def test_a_count_of_days_is_nothing_else(cell: str, reason: str | None) -> None:
    found = read(DateRules("d", DAY, days_since=datetime.date(1960, 1, 1)), cell)
    assert found[1] == (f"{reason}:d" if reason else None)
