"""Labels: the pairs of words that are read, what stops, and enterprises with several rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from lab.tables.cells.text import NULL_WORDS, NUMBER_NULL_WORDS
from lab.tables.cells.values.booleans import PAIRS
from lab.tables.labels import LABEL_PAIRS, merge_labels, read_labels
from lab.terms.errors import InvalidInput


def read(*texts: str | None) -> list[int]:
    column = pl.Series("y", texts, dtype=pl.String)
    return read_labels(column, np.arange(2, 2 + len(texts))).values.tolist()


@pytest.mark.parametrize("pair", LABEL_PAIRS)
def test_each_pair_is_read(pair: tuple[str, str]) -> None:
    good, bad = pair
    assert read(bad, good, f" {bad.upper()} ", None, "", "N/A", f"{good}\u3000") == [1, 0, 1, -1, -1, -1, 0]


@pytest.mark.parametrize("texts", [("1 ", "0.0"), ("１", "０"), ("1.0", "0"), ("1e0", "-0"), ("+1", "\u00a00")])
def test_numbers_are_read_as_people_write_them(texts: tuple[str, str]) -> None:
    assert read(*texts) == [1, 0]


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (("0", "1", "SECRET", "1", "SECRET"), "2 rows (rows 4, 6)"),
        (("0", "1", "yes", "1"), "1 rows (rows 4)"),
        (("0", "1", "2"), "1 rows (rows 4)"),
        (("Y", "yes", "yes", "no"), "1 rows (rows 2)"),
        (("0", "1", "0", "无"), "1 rows (rows 5)"),
        (("SECRET",) * 30, "30 rows (rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …)"),
        (("0.5", "0", "1"), "1 rows (rows 2)"),
        (("-1", "1", "1"), "1 rows (rows 2)"),
    ],
)
def test_anything_else_stops_with_count_and_rows(texts: tuple[str, ...], rows: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(*texts)
    assert rows in caught.value.detail and caught.value.next_step
    assert "SECRET" not in str(caught.value)


def test_words_other_than_digits_are_announced() -> None:
    column = read_labels(pl.Series("y", ["是", "否"]), np.arange(2))
    assert column.note() is not None and "是 读作违约" in (column.note() or ("",))[0]
    assert read_labels(pl.Series("y", ["1.0", "0"]), np.arange(2)).note() is None
    assert read_labels(pl.Series("y", [], dtype=pl.String), np.arange(0)).values.tolist() == []


def test_a_column_without_labels_and_one_of_booleans() -> None:
    assert read(None, "", "NULL", "-") == [-1] * 4
    assert read_labels(pl.Series("y", [True, False, None]), np.arange(3)).values.tolist() == [1, 0, -1]


def test_words_for_no_value_are_those_of_other_columns() -> None:
    nothing = sorted(
        (NULL_WORDS | NUMBER_NULL_WORDS | {"--", "****", "<NA>", "#NULL!", "NaT", "未知", "无数据"}) - {"无"}
    )
    assert read("1", "0", *nothing) == [1, 0] + [-1] * len(nothing)


def test_yes_and_no_of_other_columns_are_labels() -> None:
    for yes, no in PAIRS:
        assert read(yes, no, "") == [1, 0, -1]


def test_an_enterprise_defaulted_if_any_row_did() -> None:
    firms = np.asarray([0, 0, 1, 1, 2, 3, 3, 4, 4, 4])
    labels = np.asarray([0, 1, -1, 0, 1, -1, -1, 1, 1, -1], dtype=np.int8)
    merged = merge_labels(firms, labels, 5)
    assert merged.values.tolist() == [1, 0, 1, -1, 1]
    assert (merged.repeated_firms, merged.differing_firms, merged.unused_rows) == (4, 1, 5)
    assert len(merged.notes()) == 1 and "4 户" in merged.notes()[0][0]
    order = np.random.default_rng(0).permutation(len(firms))
    assert merge_labels(firms[order], labels[order], 5).values.tolist() == merged.values.tolist()


def test_one_row_each_needs_no_note() -> None:
    assert merge_labels(np.arange(3), np.asarray([1, 0, -1], dtype=np.int8), 3).notes() == []
