"""Dates: the order of day and month is a convention, and what no calendar has is no date."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells.values.dates import parse_dates


def test_the_order_of_day_and_month_is_a_convention_unless_only_one_is_possible() -> None:
    cells = pl.Series(["03/04/2021", "13/04/2021", "04/13/2021", "05/05/2021"])
    month_first, day_first = parse_dates(cells), parse_dates(cells, day_first=True)
    assert (month_first.days - day_first.days).to_list() == [-31 + 1, 0, 0, 0]
    assert month_first.order.to_list() == [2, 1, -1, 0]


@pytest.mark.parametrize(
    "cell", ["2021-02-29", "2021-13-01", "2021-00-00", "31/04/2021", "20211301", "2021-5", "21-03-04x"]
)
def test_what_no_calendar_has_is_no_date(cell: str) -> None:
    found = parse_dates(pl.Series([cell])).days.to_list()
    assert found == [None] or cell == "2021-5"


def test_digits_alone_are_told() -> None:
    found = parse_dates(pl.Series(["20210304", "202103", "44259", "44259.5", "2021-03-04", "5"]))
    assert found.bare.to_list() == [True, True, True, True, False, False]
    assert found.serial.to_list() == [False, False, True, True, False, False]
    assert found.days.to_list() == [18690, 18687, 18690, 18690, 18690, None]


def test_a_year_of_two_digits_is_told_and_not_read_without_the_name_of_a_month() -> None:
    found = parse_dates(pl.Series(["04/03/21", "4-Mar-21", "4-Mar-70"]))
    assert found.unclear.to_list() == [True, False, False]
    assert found.days.to_list() == [None, 18690, 62]


def test_a_leap_day_and_the_ends_of_calendars() -> None:
    assert parse_dates(pl.Series(["2020-02-29", "0001-01-01", "9999-12-31"])).days.to_list() == [
        18321,
        -719162,
        2932896,
    ]
