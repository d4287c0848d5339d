"""A catalogue of messages: the English of the code, with ``{}`` for each name or number in it, and its Chinese.

A message is found by its text, not by a number that it carries. So the error of the other party, which arrives as text,
is translated as well, and a program reads the same English as before. A message that the catalogue does not have, or in
which the gaps could be filled in two ways, has no Chinese: a sentence that is translated wrongly says something else.

The TOML files beside this module have tables ``messages`` (English = Chinese) and ``words``: what may stand for a
``{}`` and is translated with the sentence, such as an operating system's words. In Chinese ``{2}`` is the second ``{}``
of the English message, and ``{}`` the next one.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_GAP = "{}"
_PLACE = re.compile(r"\{([0-9]*)\}")
_BETWEEN = {"; ": "；", ", ": "、"}
"""What stands between the parts of a list in a gap, in English and in Chinese; each part is translated by itself."""
_MOST_NESTED = 3
"""How deep a message may stand in another: the other party's error, in the sentence that reports it."""


@dataclass(frozen=True)
class MessageTemplate:
    """One message: its English with gaps, and its Chinese."""

    english: str
    chinese: str

    @property
    def literal_characters(self) -> int:
        """How much of the English is fixed: of two that fit, the one with more is meant."""
        return len(self.english) - len(_GAP) * self.english.count(_GAP)

    def match(self, text: str) -> tuple[tuple[str, ...], ...]:
        """What stands in the gaps if ``text`` is this message: read with short gaps and with long ones; else ()."""
        first, *rest = self.english.split(_GAP)
        if not rest:
            return ((),) if text == first else ()
        *inner, last = rest
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return ()
        readings = (read(text, len(first), end, inner) for read in (_read_short_gaps, _read_long_gaps))
        return tuple(found for found in readings if found is not None)

    def fill(self, values: tuple[str, ...]) -> str:
        """The Chinese with ``values`` in its gaps."""
        following = iter(values)
        return _PLACE.sub(lambda place: values[int(place[1]) - 1] if place[1] else next(following), self.chinese)


@dataclass(frozen=True)
class MessageCatalogue:
    """All messages, by the first word of their English; and words that stand in gaps."""

    templates: Mapping[str, tuple[MessageTemplate, ...]]
    words: Mapping[str, str]

    def translate(self, text: str, *, depth: int = 0) -> str | None:
        """``text`` in Chinese, or None if the catalogue does not have it."""
        candidates = (*self.templates.get(_first_word(text), ()), *self.templates.get("", ()))
        for template in sorted(candidates, key=lambda one: one.literal_characters, reverse=True):
            readings = {
                template.fill(tuple(self._translate_value(value, depth) for value in values))
                for values in template.match(text)
            }
            if readings:
                return readings.pop() if len(readings) == 1 else None
        return None

    def _translate_value(self, value: str, depth: int) -> str:
        if value in self.words:
            return self.words[value]
        if depth == _MOST_NESTED:
            return value
        for between, chinese in _BETWEEN.items():
            parts = value.split(between)
            translated = [self.translate(part, depth=_MOST_NESTED) for part in parts]
            if any(translated) and len(parts) > 1:
                return chinese.join(one or part for one, part in zip(translated, parts, strict=True))
        return self.translate(value, depth=depth + 1) or value


def translate_message(text: str) -> str | None:
    """An error's sentence or next step in Chinese, or None if there is no translation of it."""
    return load_catalogue().translate(text) if text else None


@cache
def load_catalogue() -> MessageCatalogue:
    """The catalogue in the files beside this module."""
    templates: defaultdict[str, list[MessageTemplate]] = defaultdict(list)
    words: dict[str, str] = {}
    for file in sorted(files(__package__).iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            words |= content.get("words", {})
            for english, chinese in content.get("messages", {}).items():
                templates[_first_word(english)].append(MessageTemplate(english, chinese))
    return MessageCatalogue({word: tuple(found) for word, found in templates.items()}, words)


def _read_short_gaps(text: str, start: int, end: int, fixed: Sequence[str]) -> tuple[str, ...] | None:
    """What is between the ``fixed`` texts, each found as early as it can be, in ``text[start:end]``; None if one is
    missing. A regular expression would try every way to place them, and the text may be a hostile bureau's.
    """
    gaps = []
    for part in fixed:
        place = text.find(part, start, end)
        if place < 0:
            return None
        gaps.append(text[start:place])
        start = place + len(part)
    return (*gaps, text[start:end])


def _read_long_gaps(text: str, start: int, end: int, fixed: Sequence[str]) -> tuple[str, ...] | None:
    """As ``_read_short_gaps``, with each of the ``fixed`` texts found as late as it can be."""
    gaps: list[str] = []
    for part in reversed(fixed):
        place = text.rfind(part, start, end)
        if place < 0:
            return None
        gaps.append(text[place + len(part) : end])
        end = place
    return (text[start:end], *reversed(gaps))


def _first_word(text: str) -> str:
    """The word by which a message is looked up; empty if its first word has a gap."""
    word = text.partition(" ")[0]
    return "" if _GAP in word else word
