"""Enumerations in two languages: the code is the value, the words are for people."""

from __future__ import annotations

import json

import pytest

from lab.terms.text.bilingual import BilingualEnum, join_languages, join_words, read_warning, split_bilingual


class Fruit(BilingualEnum):
    """An example."""

    APPLE = "apple", "苹果", "an apple"
    PEAR = "pear", "梨", "a pear"


def test_a_member_is_its_code_and_has_both_words() -> None:
    assert (Fruit.APPLE, Fruit("pear"), Fruit.PEAR.zh, Fruit.PEAR.en) == ("apple", Fruit.PEAR, "梨", "a pear")
    assert json.dumps([Fruit.APPLE]) == '["apple"]'
    with pytest.raises(ValueError, match="plum"):
        Fruit("plum")


def test_words_are_listed_by_the_rules_of_their_language() -> None:
    words = [(fruit.zh, fruit.en) for fruit in Fruit]
    assert (join_words(words, 0), join_words(words, 1)) == ("苹果、梨", "an apple, a pear")


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("one blank line · 空行 1 行", ("空行 1 行", "one blank line")),
        ("空行 1 行 · one blank line", ("空行 1 行", "one blank line")),
        ("English alone", ("English alone", "English alone")),
        ("a · b", ("a · b", "a · b")),
        ("甲 · 乙", ("甲 · 乙", "甲 · 乙")),
        ("", ("", "")),
    ],
)
def test_a_text_in_two_languages_is_split(text: str, both: tuple[str, str]) -> None:
    assert split_bilingual(text) == both == read_warning(text)


def test_a_warning_may_be_an_object() -> None:
    assert read_warning({"zh": "甲", "en": "a"}) == ("甲", "a")
    assert read_warning({"zh": "甲"})[0] == "{'zh': '甲'}"  # never dropped
    assert (join_languages("甲", "a"), join_languages("a", "a")) == ("甲 a", "a")
