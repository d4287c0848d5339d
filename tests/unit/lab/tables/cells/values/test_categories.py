"""Spellings of one category have one key; different categories have different ones."""

from __future__ import annotations

import polars as pl

from lab.tables.cells.values.categories import MAX_CATEGORY_CHARACTERS, category_keys, normalise_category


def keys(*categories: str) -> list[str]:
    return category_keys(normalise_category(pl.Series(categories))).to_list()


def test_case_spaces_beside_chinese_and_marks_at_the_end_do_not_count() -> None:
    assert len(set(keys("A类", "a类", "A 类", "A类。", "A类 ;"))) == 1
    assert len(set(keys("Co. Ltd", "CO. LTD.", "co. ltd"))) == 1
    assert len(set(keys("5311", "5311.0", "5311.00"))) == 1


def test_other_differences_do() -> None:
    found = keys("A类", "B类", "A B", "AB", "0111", "111", "-1", "1", ".", "无", "—")
    assert len(set(found)) == len(found)


def test_a_category_is_never_empty_nor_long() -> None:
    assert keys("。", ".") == ["。", "."]
    assert len(normalise_category(pl.Series(["x" * 1000]))[0]) == MAX_CATEGORY_CHARACTERS
