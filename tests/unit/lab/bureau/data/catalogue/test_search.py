"""Search in both languages: names before definitions, every word counts, case and width do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.search import search_catalogue


def found(query: str, limit: int = 50) -> list[str]:
    return [match.code for match in search_catalogue(default_catalogue(), query, limit=limit)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("tax", "tax"),
        ("税务", "tax"),
        ("tax.sales", "tax.sales"),
        ("ＴＡＸ．ＳＡＬＥＳ", "tax.sales"),
        ("用电量", "utilities.electricity_kwh"),
        ("electricity consumed", "utilities.electricity_kwh"),
        ("小巨人", "honours.kind"),
        ("little_giant", "honours.kind"),
        ("失信被执行人", "courts.dishonest_listed"),
        ("行政处罚 罚款", "penalties.fine_amount"),
        ("海关 信用", "customs.customs_rating"),
        ("第四十条", "permits.permit_number"),
    ],
)
def test_what_is_meant_comes_first(query: str, first: str) -> None:
    assert found(query)[0] == first


def test_every_word_must_be_found() -> None:
    assert found("tax nothing-like-this") == []
    assert found("") == found("  ") == []
    assert found("人力资源") == ["social_insurance"]  # its owner alone is no reason to list every item


def test_the_limit_holds_and_the_best_stay() -> None:
    assert found("日期", limit=3) == found("日期")[:3]


@given(st.text(max_size=20))
def test_no_query_fails_and_what_is_found_has_each_word(query: str) -> None:
    for match in search_catalogue(default_catalogue(), query):
        assert match.score > 0


@given(st.sampled_from(default_catalogue().items))
def test_every_item_is_found_by_its_code_and_its_names(item) -> None:  # type: ignore[no-untyped-def]
    assert found(item.code)[0] == item.code
    for name in (item.zh, item.en):
        assert item.code in found(name, limit=500)
