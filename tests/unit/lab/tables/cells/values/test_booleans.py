"""Yes and no."""

from __future__ import annotations

import polars as pl

from lab.tables.cells.values.booleans import PAIRS, parse_booleans


def test_words_of_all_pairs_and_one_and_zero() -> None:
    yes, no = zip(*PAIRS, strict=True)
    assert set(parse_booleans(pl.Series([*yes, "TRUE", "1", "1.0", "1.00"]))) == {1.0}
    assert set(parse_booleans(pl.Series([*no, "False", "0", "0.0"]))) == {0.0}


def test_nothing_else() -> None:
    assert parse_booleans(pl.Series(["2", "maybe", "-1", None, "truee"])).to_list() == [None] * 5
