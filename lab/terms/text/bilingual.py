"""Texts in Chinese and English, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

BilingualText = tuple[str, str]
"""A sentence or a word: Chinese, English."""


class BilingualEnum(StrEnum):
    """An enumeration whose members are written ``(code, Chinese, English)``; the code is the value."""

    zh: str
    en: str

    # The words have defaults for type checkers alone: a member is also looked up by its code.
    def __new__(cls, code: str, zh: str = "", en: str = "") -> Self:
        """A member with its words."""
        member = str.__new__(cls, code)
        member._value_, member.zh, member.en = code, zh, en
        return member


def join_words(words: Iterable[BilingualText], language: int) -> str:
    """Words of one language (0: Chinese, 1: English) as a list in a sentence."""
    return ("、", ", ")[language].join(one[language] for one in words)


def same_in_both(text: str) -> BilingualText:
    """A text that is the same in both languages: a version, a number."""
    return text, text
