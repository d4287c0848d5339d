"""Enumerations in two languages: the code is the value, the words are for people."""

from __future__ import annotations

import json

import pytest

from lab.terms.text.bilingual import BilingualEnum, join_words


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
