"""How much the name of a column looks like the name of an item, in Chinese or English."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

from lab.bureau.data.catalogue.item_definition import Item

_BRACKETS: Final = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")
_NO_LETTER: Final = re.compile(r"[\W_]+")
_SHORTEST_CONTAINED: Final = 2


def name_likeness(header: str, item: Item) -> float:
    """0 to 1: 1 for the item's own name in either language or its column name; brackets and case do not count."""
    found = _plain(header)
    return max((_likeness(found, _plain(name)) for name in (item.zh, item.en, item.name)), default=0.0)


def _plain(name: str) -> str:
    text = _BRACKETS.sub("", unicodedata.normalize("NFKC", name)).lower()
    return _NO_LETTER.sub("", text) or _NO_LETTER.sub("", unicodedata.normalize("NFKC", name).lower())


def _likeness(first: str, second: str) -> float:
    """Dice's measure on pairs of letters; more if one name is a part of the other."""
    if not first or not second:
        return 0.0
    if first == second:
        return 1.0
    pairs, others = _pairs(first), _pairs(second)
    dice = 2.0 * sum((pairs & others).values()) / (sum(pairs.values()) + sum(others.values()))
    short, long = sorted((first, second), key=len)
    if len(short) >= _SHORTEST_CONTAINED and short in long:
        dice = max(dice, 0.55 + 0.4 * len(short) / len(long))
    return dice


def _pairs(name: str) -> Counter[str]:
    return Counter(name[place : place + 2] for place in range(len(name) - 1)) or Counter([name])
