"""The text of a workbook's cell."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tables.workbook.cell_text import EXACT_INTEGERS, format_cell, lost_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (" x ", " x "),
        (True, "TRUE"),
        (False, "FALSE"),
        (0.0, "0"),
        (-0.0, "0"),
        (101600.0, "101600"),
        (7, "7"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "1e-07"),
        (999_999_999_999_999.0, "999999999999999"),
        (1e15, "1e+15"),
        (-1234567890123456.0, "-1.234567890123456e+15"),
        (123456789012345678, "1.23456789012345678e+17"),
        (float("inf"), "inf"),
        (date(2021, 3, 4), "2021-03-04"),
        (datetime(2021, 3, 4), "2021-03-04"),
        (datetime(2021, 3, 4, 5, 6, 7), "2021-03-04 05:06:07"),
        (datetime(2021, 3, 4, 23, 59, 59, 999_600), "2021-03-05"),
        (time(5, 6, 7), "05:06:07"),
        (timedelta(days=1, hours=12), "36:00:00"),
        (timedelta(seconds=-90), "-0:01:30"),
        (None, ""),
    ],
)
def test_the_text_of_each_kind(value: object, text: str) -> None:
    assert format_cell(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_and_a_long_one_is_no_code(value: float) -> None:
    text = format_cell(value)
    assert float(text) == value
    assert not (value.is_integer() and abs(value) >= EXACT_INTEGERS and text.lstrip("-").isdigit())
    assert lost_digits(value) == (abs(value) >= EXACT_INTEGERS and value.is_integer())
