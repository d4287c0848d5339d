"""Warnings about unusual names in a contract, for whoever signs or approves it.

Chinese beside Latin is normal here. A reader does not notice letters of other scripts, or names that only look alike,
so both cause a warning. They are not forbidden, because a party may have such a name. The rule is the level "highly
restrictive" of UTS #39, section 5.2, without its exception for names in a single script: a name in Cyrillic alone can
look like one in Latin. Scripts and look-alikes come from the Unicode tables in ``confusable_homoglyphs``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lab.terms.contract.clauses import CLAUSES
from lab.terms.contract.document import Contract
from lab.terms.text.bilingual import BilingualText
from lab.terms.text.escaping import VisibleText, describe_character, escape_hidden, find_hidden

_ORDINARY = frozenset({"COMMON", "INHERITED", "LATIN", "HAN"})
_BESIDE_THEM = (frozenset({"HIRAGANA", "KATAKANA"}), frozenset({"BOPOMOFO"}), frozenset({"HANGUL"}))
"""Scripts that may appear beside Latin and Han, one group at a time (UTS #39, table of restriction levels)."""
_SCRIPTS: dict[str, str] = {
    "CYRILLIC": "西里尔",
    "GREEK": "希腊",
    "ARABIC": "阿拉伯",
    "HEBREW": "希伯来",
    "ARMENIAN": "亚美尼亚",
    "CHEROKEE": "切罗基",
    "HANGUL": "谚文",
    "HIRAGANA": "平假名",
    "KATAKANA": "片假名",
    "BOPOMOFO": "注音",
}
_ALIKE = str.maketrans("01|Ⅰ", "olll")
_TURNING = frozenset({"R", "AL", "AN"})
"""Classes of UAX #9 that change the direction of writing, including marks that scripts share."""
_RADICALS = (0x2E80, 0x2FDF)
"""Han radicals as characters of their own, which look like ordinary Han characters."""
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class NameWarning:
    """One warning: its clause, and its text in both languages."""

    clause: str
    zh: VisibleText
    en: VisibleText

    @property
    def label(self) -> BilingualText:
        """The clause's name in both languages."""
        return CLAUSES[self.clause].label

    def as_dict(self) -> dict[str, str]:
        """The warning as a JSON object."""
        return {"term": self.clause, "zh": self.zh, "en": self.en}


def find_name_warnings(contract: Contract, before: Contract | None = None) -> tuple[NameWarning, ...]:
    """The warnings about the texts of a contract, in the order of its clauses.

    ``before``: the version that it amends; a name that only looks like a name of that version causes a warning too.
    """
    found = [
        NameWarning(term, *map(VisibleText, words))
        for term, text in contract.free_texts()
        for words in _text_warnings(text)
    ]
    former = _names(before) if before is not None else []
    groups: dict[str, list[tuple[str, str]]] = {}
    for term, name in dict.fromkeys([*_names(contract), *former]):
        groups.setdefault(confusable_skeleton(name), []).append((term, name))
    for group in groups.values():
        for (term, one), (_, other) in pairwise(group):
            if one != other:
                this, that = escape_hidden(one), escape_hidden(other)
                zh = f"“{this}”与“{that}”看起来相似而并不相同（大小写、全半角、空格或形近字）"
                en = f'"{this}" looks like "{that}" but differs (case, width, spaces, look-alikes)'
                found.append(NameWarning(term, VisibleText(zh), VisibleText(en)))
    return tuple(dict.fromkeys(found))


def warnings_as_dicts(found: Sequence[NameWarning]) -> list[dict[str, str]]:
    """Warnings as JSON objects: the field ``warnings`` of a response."""
    return [one.as_dict() for one in found]


@lru_cache(maxsize=4096)
def confusable_skeleton(name: str) -> str:
    """The skeleton of a name, equal for names that look alike: without compatibility forms, case, marks and spaces;
    each look-alike becomes the Latin letter that it resembles, or else the first resembling character in Unicode. Some
    names that look alike still have different skeletons.
    """
    letters = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    latin = "".join(char if char.isascii() else _first_alike(char) for char in letters)
    plain = unicodedata.normalize("NFKD", latin.casefold())
    return _SPACES.sub("", "".join(c for c in plain if not unicodedata.combining(c))).translate(str.maketrans("i", "l"))


def _names(contract: Contract) -> list[tuple[str, str]]:
    return list(dict.fromkeys((term, text) for term, text in contract.free_texts() if term != "consent.why"))


@lru_cache(maxsize=4096)
def _text_warnings(text: str) -> tuple[BilingualText, ...]:
    return tuple(_find_text_warnings(text))


def _find_text_warnings(text: str) -> Iterator[BilingualText]:
    char = find_hidden(text)
    if char:
        yield (
            f"“{escape_hidden(text)}”含有不可见或不当的字符 {describe_character(char)}，以转义形式显示",
            f'"{escape_hidden(text)}" holds {describe_character(char)}, which is hidden or out of place; '
            "it is shown as an escape",
        )
    if text.isascii():
        return
    foreign = _foreign(text)
    if foreign:
        yield _describe_foreign(text, foreign)
    wide = sorted({one for one in text if _is_unusual(one)})
    if wide or not unicodedata.is_normalized("NFC", text):
        found = ", ".join(map(describe_character, wide[:5])) or "NFD"
        yield (
            f"“{escape_hidden(text)}”的字母或数字不是通常的写法（{found}）",
            f'"{escape_hidden(text)}" writes letters or digits in an unusual form ({found})',
        )


def _describe_foreign(text: str, foreign: list[tuple[str, list[str]]]) -> BilingualText:
    zh = "、".join(
        f"{_SCRIPTS.get(script, script)}（{'、'.join(map(describe_character, chars))}）" for script, chars in foreign
    )
    en = ", ".join(f"{script.capitalize()} ({', '.join(map(describe_character, chars))})" for script, chars in foreign)
    return (
        f"“{escape_hidden(text)}”含有本处不常用的文字：{zh}",
        f'"{escape_hidden(text)}" holds letters of scripts unusual here: {en}',
    )


def _is_unusual(char: str) -> bool:
    """Whether a letter, digit or Han character has an unusual form."""
    if _RADICALS[0] <= ord(char) <= _RADICALS[1]:
        return True
    return char.isalnum() and unicodedata.normalize("NFKC", char) != char


def _foreign(text: str) -> list[tuple[str, list[str]]]:
    """Characters that do not belong beside the others, by script: letters of other scripts, marks that change the
    direction, and, beside Han characters, kana that all look like Han characters."""
    by_script: dict[str, list[str]] = {}
    for char in text:
        script = _script(char)
        turning = unicodedata.bidirectional(char) in _TURNING
        if (turning or script not in _ORDINARY) and char not in by_script.setdefault(script, []):
            by_script[script].append(char)
    if any(by_script.keys() <= allowed for allowed in _BESIDE_THEM) and not _all_like_han(text, by_script):
        return []
    return [(script, chars[:5]) for script, chars in by_script.items()]


def _script(char: str) -> str:
    if char.isascii():
        return "COMMON"
    from confusable_homoglyphs.categories import alias  # slow to import, and most commands do not need it

    return str(alias(char)).upper()


def _all_like_han(text: str, by_script: dict[str, list[str]]) -> bool:
    letters = [char for chars in by_script.values() for char in chars]
    han = any(_script(char) == "HAN" for char in text)
    return han and bool(letters) and all(_script(_first_alike(char, "HAN")) == "HAN" for char in letters)


@lru_cache(maxsize=4096)
def _first_alike(char: str, script: str = "") -> str:
    """The Latin letter or ASCII digit that a character resembles; otherwise the first in Unicode of the character
    itself and those that it resembles (in ``script``, if one is given).
    """
    alike = _look_alikes(char)
    if script:
        return next((one for one in alike if _script(one) == script), char)
    letters = [one for one in alike if one.isalnum()]
    latin = next(filter(str.isascii, letters), "")
    first = min([*letters, *([char] if char.isalnum() or not alike else [])], default=char)
    # A look-alike may have look-alikes again: 囗 resembles 口, which resembles ロ.
    return latin or (first if first >= char else _first_alike(first))


def _look_alikes(char: str) -> list[str]:
    from confusable_homoglyphs.confusables import confusables_data

    return [text for text in (one["c"] for one in confusables_data.get(char, ())) if len(text) == 1]
