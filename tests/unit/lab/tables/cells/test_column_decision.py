"""Kinds and conventions from counts."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from lab.tables.cells.column_decision import (
    choose_unit,
    contrary_dates,
    contrary_numbers,
    day_first,
    decide_kind,
    decimal_comma,
    percent_as_written,
)
from lab.tables.cells.column_tally import ColumnTally


def tally(cells: Sequence[str | None]) -> ColumnTally:
    found = ColumnTally()
    found.add(pl.Series(cells, dtype=pl.String))
    return found


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1"] * 95 + [f"x{n}" for n in range(5)], "numeric"),
        (["1", "2"] * 45 + ["x"] * 10, "categorical"),
        ([*(str(n) for n in range(90)), *["x"] * 10], "numeric"),
        (["是", "否"] * 100 + ["y"], "boolean"),
        (["是", "否"] * 10 + ["待核实"], "categorical"),
        (["是", "否"] * 50 + ["—"] * 5, "boolean"),
        (["是", "否"] * 5 + ["—"] * 5, "categorical"),
        (["Y", "N", "0"] * 50, "categorical"),
        (["Y", "N", "0", "1"] * 50, "boolean"),
        (["0"] * 96 + ["1", "2", "3", "Y"], "numeric"),
        (["无"] * 99 + ["5"], "numeric"),
        (["无"] * 99 + ["有"], "boolean"),
        (["2021-03-04"] * 19 + ["x"], "date"),
        (["0111", "5311"] * 50, "categorical"),
        (["0111", "111"] * 50, "categorical"),
        (["007"] + ["1234"] * 999, "numeric"),
        ([None, ""], "numeric"),
        (["F"] * 300, "categorical"),
        (["F"] * 300 + ["M"], "categorical"),
        (["√", ""] * 30, "boolean"),
        (["0", "202103", "202104"] * 30, "date"),
    ],
)
def test_nearly_all_cells_decide(cells: list[str | None], kind: str) -> None:
    assert decide_kind(tally(cells)) == (kind, False)


def test_a_decimal_comma_needs_more_than_one_cell_against_many_that_are_not_sure() -> None:
    assert decimal_comma(tally(["1,5", "2,5", "3.000"]))
    assert not decimal_comma(tally(["1,5", *[f"{n}.123" for n in range(1, 100)]]))
    assert not decimal_comma(tally(["1,5", "2.5", "3.25"]))
    assert not decimal_comma(tally(["12,5", *["850,772"] * 1_999]))
    assert not decimal_comma(tally(["12,5", *["￥1.234"] * 1_999]))
    assert decimal_comma(tally(["12,5", *["850,772"] * 19]))


def test_points_with_three_digits_beside_small_integers_are_decimal_points() -> None:
    assert not decimal_comma(tally([*["12.345"] * 9, "987"]))
    assert not decimal_comma(tally([*["12.345"] * 9, "9870"]))


def test_cells_that_show_the_contrary_are_counted() -> None:
    found = tally(["1,5", "2.5", "1.234,5年", "3.5万", "1,234", "31/12/2021", "12/31/2021", "12/31/9999", "04/05/2021"])
    assert [contrary_numbers(found, decimal_comma=comma) for comma in (False, True)] == [2, 2]
    assert contrary_numbers(found, decimal_comma=False, unit="month") == 1
    assert contrary_numbers(found, decimal_comma=False, unit="year") == 2
    assert [contrary_dates(found, day_first=first) for first in (None, False, True)] == [0, 1, 1]


def test_what_is_not_shown_is_none() -> None:
    assert percent_as_written(tally(["5", "7"])) is None
    assert percent_as_written(tally(["0.5", "0.7"])) is False
    assert percent_as_written(tally(["12%", "12", "15"])) is True
    assert day_first(tally(["2021-03-04"])) is None
    assert day_first(tally(["03/04/2021"])) is False
    assert day_first(tally(["13/04/2021"])) is True


def test_a_unit_is_that_of_half_of_the_numbers() -> None:
    assert choose_unit(tally(["3个月", "5个月", "5"])) == "month"
    assert choose_unit(tally(["3个月", "5", "5"])) == ""
