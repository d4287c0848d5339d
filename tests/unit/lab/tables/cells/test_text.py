"""Text in one spelling."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells import text
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


def test_usual_text_needs_no_pass_and_only_what_changed_needs_another(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    change = text._change

    def count(cells: pl.Series) -> pl.Series:
        passes.append(cells.len())
        return change(cells)

    monkeypatch.setattr(text, "_change", count)
    usual = pl.Series(["杭州某某科技有限公司12号", "A类", "name of 7f", "1,234", "-5", "x&y"])
    assert text.normalise_text(usual).equals(usual)
    assert text.normalise_text(pl.Series(["&amp;amp;amp;"])).to_list() == ["&"]
    assert passes == [1, 1, 1, 1, 1]


def test_words_are_found_whatever_their_length_and_case() -> None:
    cells = pl.Series(["NaT", "x" * 90, None, "无", "#DIV/0!", ""])
    assert text.is_word(cells, text.NULL_WORDS).to_list() == [True, False, False, False, True, True]
    assert text.is_word(pl.Series(["x" * 90]), text.NULL_WORDS).to_list() == [False]
    assert text.is_word(pl.Series(["x"]), frozenset()).to_list() == [False]
