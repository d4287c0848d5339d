"""Numbers in the stated unit; a cell that names another one is never guessed."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.data.ingestion.cells.column_reading import read_column
from lab.bureau.data.ingestion.cells.numbers import NumberRules
from lab.bureau.data.ingestion.mapping.units import AS_WRITTEN


def read(rules: NumberRules, *cells: str | None) -> list[tuple[object, str | None]]:
    """Value and reason of each cell."""
    found = read_column(pl.Series(cells, dtype=pl.String), rules, frozenset())
    return list(zip(found.values.to_list(), found.reasons.to_list(), strict=True))


@pytest.mark.parametrize(
    ("unit", "cell", "value", "reason"),
    [
        ("元", "1,234.50", 1234.5, None),
        ("元", "１２", 12.0, None),
        ("元", "￥5", 5.0, None),
        ("元", "--", None, None),
        ("元", "3.5万元", None, "other-unit:a"),
        ("元", "3.5万", None, "other-unit:a"),
        ("元", "US$5", None, "other-currency:a"),
        ("元", "12%", None, "not-a-number:a"),
        ("元", "inf", None, "not-a-number:a"),
        ("元", "nan", None, None),
        ("元", "1e300", 1e300, "too-large:a"),
        ("万元", "2.5", 25_000.0, None),
        ("万元", "2.5万元", 25_000.0, None),
        ("万元", "2.5元", None, "other-unit:a"),
        ("万元", "2.5百万", None, "other-unit:a"),
        ("万元", "12.345678", 123_456.78, None),
        (AS_WRITTEN, "3.5万元", 35_000.0, None),
        (AS_WRITTEN, "100元", 100.0, None),
        (AS_WRITTEN, "100", None, "no-unit:a"),
    ],
)
def test_an_amount_is_in_the_stated_unit(unit: str, cell: str, value: float | None, reason: str | None) -> None:
    ((found, why),) = read(NumberRules("a", money=True, unit=unit), cell)
    assert why == reason and (reason is not None or found == value)


def test_a_whole_number_has_no_fraction_and_no_other_unit() -> None:
    rules = NumberRules("staff", whole=True, counted=frozenset({"person"}))
    assert read(rules, "12,000", "5.0", "5人", "3户", "3.5") == [
        (12_000, None),
        (5, None),
        (5, None),
        (None, "other-unit:staff"),
        (None, "not-whole:staff"),
    ]


def test_a_decimal_comma_is_a_convention_of_the_mapping() -> None:
    assert read(NumberRules("a", money=True, unit="元", decimal_comma=True), "1.234,5", "1,234.5") == [
        (1234.5, None),
        (None, "not-a-number:a"),
    ]
    assert read(NumberRules("a", money=True, unit="元"), "1.234,56")[0][1] == "not-a-number:a"


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=20))
def test_what_a_program_writes_is_read_to_the_last_digit(values: list[object]) -> None:
    found = read(NumberRules("a", money=True, unit="元"), *map(str, values))
    assert [value for value, _ in found] == [float(str(value)) for value in values]
