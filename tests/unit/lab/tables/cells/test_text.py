"""Text in one spelling."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells.text import apply_to_distinct, is_soft_null, normalise_text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ａ１％", "A1%"),
        (" a \u3000 b\t", "a b"),
        ("\ufeffa\u200bb", "ab"),
        ("١٢٫٥", "12.5"),
        ("'0111", "0111"),
        ('="0111"', "0111"),
        ("'a", "'a"),
        ("A&amp;B", "A&B"),
        ("&amp;lt;", "<"),
        ("5²", "5²"),
        ("\u00a0", None),
        ("", None),
        (None, None),
    ],
)
def test_one_spelling(written: str | None, read: str | None) -> None:
    assert normalise_text(pl.Series([written], dtype=pl.String)).to_list() == [read]


def test_marks_alone_are_no_value_and_numbers_are() -> None:
    found = is_soft_null(pl.Series(["--", "#####", "…", "无", "N/A", "-5", "0", "A", None]))
    assert found.to_list() == [True, True, True, True, False, False, False, False, False]


def test_repeated_cells_are_changed_once_and_keep_their_places() -> None:
    cells = pl.Series("a", [None, "x", "y"] * 1000)
    seen: list[int] = []

    def change(some: pl.Series) -> pl.Series:
        seen.append(some.len())
        return some.str.to_uppercase()

    assert apply_to_distinct(cells, change).to_list() == [None, "X", "Y"] * 1000
    assert seen == [3]
