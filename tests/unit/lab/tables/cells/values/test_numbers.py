"""Numbers as people write them; what is not a number as a whole is none."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.numbers import parse_numbers


def read(*cells: str, **conventions: bool) -> list[float | None]:
    return parse_numbers(normalise_text(pl.Series(cells)), **conventions).values.to_list()


def test_commas_and_points_have_the_meaning_that_only_they_can_have() -> None:
    assert read("1,234,567", "1.234,5", "1,5", "0,123", "1.234.567", "1,2345") == [
        1234567,
        1234.5,
        1.5,
        0.123,
        1234567,
        1.2345,
    ]


def test_a_convention_decides_what_can_be_either() -> None:
    cells = ("1,234", "1.234", "-1.234", "0.234", "1,234.5")
    assert read(*cells) == [1234, 1.234, -1.234, 0.234, 1234.5]
    assert read(*cells, decimal_comma=True) == [1.234, 1234, -1234, 0.234, 1234.5]


def test_a_scale_moves_the_decimal_point_of_the_text() -> None:
    assert read("2.72万", "1.1亿元", "23.8%", "1e2%", "7‰", percent_points=False) == [27200.0, 1.1e8, 0.238, 1.0, 0.007]


def test_units_and_currencies_are_told() -> None:
    found = parse_numbers(pl.Series(["3万美元", "¥3", "3个月", "3%", "3", "x元", "3 years"]))
    assert found.currency.to_list() == ["usd", "cny", None, None, None, None, None]
    assert found.counted.to_list() == [None, None, "month", None, None, None, "year"]
    assert found.absolute.to_list() == [True, True, False, True, False, False, False]
    assert found.scaled.to_list() == [True, False, False, False, False, False, False]
    assert found.percent.to_list() == [False, False, False, True, False, False, False]


def test_the_meaning_of_commas_is_told() -> None:
    cells = ["1,5", "1,234,567", "1,234", "1.234.567", "1.5", "x", "1.5万", "1.234万", "3万"]
    assert parse_numbers(pl.Series(cells)).comma.to_list() == [1, -1, 3, 2, 0, 0, -1, 4, 0]


@pytest.mark.parametrize(
    "cell", ["--5", "+-5", "(5", "5)", "(-5)", "-(-5)", "5-3", "5%-", "1,,2", "1.2.3", "1e", "0x1F", "1_0"]
)
def test_nothing_is_cut_out_of_a_text(cell: str) -> None:
    assert read(cell) == [None]


def test_nothing_is_read_from_nothing() -> None:
    assert parse_numbers(pl.Series([], dtype=pl.String)).values.to_list() == []
    assert parse_numbers(pl.Series([None], dtype=pl.String)).values.to_list() == [None]
