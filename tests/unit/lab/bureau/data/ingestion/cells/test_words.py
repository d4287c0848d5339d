"""Codes by the mapping's words and the catalogue's; yes and no; texts in one spelling."""

from __future__ import annotations

import polars as pl

from lab.bureau.data.ingestion.cells.column_reading import PlainReader, read_column
from lab.bureau.data.ingestion.cells.words import CodeRules, TextRules, YesNoRules

KNOWN = {"active": ("存续", "in business"), "struck_off": ("注销", "struck off")}


def read(rules: PlainReader, *cells: str | None, null: tuple[str, ...] = ()) -> list[tuple[object, str | None]]:
    """Value and reason of each cell."""
    found = read_column(pl.Series(cells, dtype=pl.String), rules, frozenset(null), soft=False)
    return list(zip(found.values.to_list(), found.reasons.to_list(), strict=True))


def test_codes_are_found_by_the_mapping_and_by_the_catalogue_in_both_languages() -> None:
    rules = CodeRules.of("status", KNOWN, {"正常": "active", "1": "struck_off"})
    found = read(rules, "正常", "存续", "In Business", "ACTIVE", " 注销 ", "1.0", None, "不明", "无")
    assert [value for value, _ in found] == ["active"] * 4 + ["struck_off"] * 2 + [None] * 3
    assert [why for _, why in found] == [None] * 7 + ["unknown-code:status"] * 2
    assert read(rules, "未评", null=("未评",)) == [(None, None)]


def test_the_mappings_word_goes_before_the_catalogues() -> None:
    assert read(CodeRules.of("s", KNOWN, {"注销": "active"}), "注销") == [("active", None)]


def test_yes_and_no() -> None:
    rules = YesNoRules.of("listed", {"已列入": "yes", "未列入": "no"})
    found = read(rules, "是", "N", "1", "0", "已列入", "未列入", "N/A", "或许")
    assert [value for value, _ in found] == [True, False, True, False, True, False, None, None]
    assert found[-1][1] == "not-yes-no:listed" and found[-2][1] is None


def test_texts_have_one_spelling_and_a_bound() -> None:
    found = read(TextRules("n"), "（2023）粤0301民初123号", " a  b ", "N/A", "x" * 1_001, "深圳市某某有限公司")
    assert [value for value, _ in found[:3]] == ["(2023)粤0301民初123号", "a b", None]
    assert found[3][1] == "too-long-text:n" and found[4] == ("深圳市某某有限公司", None)
