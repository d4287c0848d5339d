"""Texts in Chinese and English, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def split_bilingual(text: str) -> BilingualText:
    """The two languages of a text that is written ``English · Chinese`` or the other way round.

    A text in one language alone is the same in both.
    """
    first, dot, second = text.partition(" · ")
    if not dot or _is_chinese(first) == _is_chinese(second):
        return text, text
    return (first, second) if _is_chinese(first) else (second, first)


def read_warning(warning: object) -> BilingualText:
    """A warning that a command printed under ``--json``: an object with ``zh`` and ``en``, or a sentence."""
    if isinstance(warning, Mapping) and "zh" in warning and "en" in warning:
        return str(warning["zh"]), str(warning["en"])
    return split_bilingual(str(warning))


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def join_languages(zh: str, en: str) -> str:
    """Both languages on one line; a text that is the same in both is written once."""
    return zh if zh == en else f"{zh} {en}"


def same_in_both(text: str) -> BilingualText:
    """A text that is the same in both languages: a version, a number."""
    return text, text
