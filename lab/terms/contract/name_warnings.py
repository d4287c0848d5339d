"""What is odd about the names in a contract, so that whoever signs or approves it looks twice.

Chinese beside Latin is ordinary here. Of letters of other scripts, and of names that only look alike, a reader sees
nothing: they are pointed out, not forbidden, since a party may be called so. The rule is the level "highly restrictive"
of UTS #39, section 5.2, without its exception for names in one script alone: a name written in Cyrillic throughout can
look like one in Latin. Scripts and look-alikes come from the Unicode tables in ``confusable_homoglyphs``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from lab.terms.contract.clauses import CLAUSES, BilingualText
from lab.terms.contract.document import Contract
from lab.terms.text.escaping import VisibleText, describe_character, escape_hidden, find_hidden

_ORDINARY = frozenset({"COMMON", "INHERITED", "LATIN", "HAN"})
_BESIDE_THEM = (frozenset({"HIRAGANA", "KATAKANA"}), frozenset({"BOPOMOFO"}), frozenset({"HANGUL"}))
"""What may stand beside Latin and Han, each by itself (UTS #39, table of restriction levels)."""
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
"""Classes of UAX #9 that turn the direction of writing, marks that all scripts share among them."""
_RADICALS = (0x2E80, 0x2FDF)
"""Parts of Han signs as signs of their own: drawn like the whole sign that each is or stands for."""
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class NameWarning:
    """One thing to look at twice: the term it is in, and what it is."""

    clause: str
    zh: VisibleText
    en: VisibleText

    @property
    def label(self) -> BilingualText:
        """What the term is called."""
        return CLAUSES[self.clause].label

    def as_dict(self) -> dict[str, str]:
        """The oddity as a program reads it."""
        return {"term": self.clause, "zh": self.zh, "en": self.en}


def find_name_warnings(contract: Contract, before: Contract | None = None) -> tuple[NameWarning, ...]:
    """What is odd about the texts of a contract, in the order of its terms.

    ``before``: the version that it amends; a name that only looks like one of that version is odd as well.
    """
    found = [NameWarning(term, *map(VisibleText, words)) for term, text in contract.free_texts() for words in _of(text)]
    former = _names(before) if before is not None else []
    groups: dict[str, list[tuple[str, str]]] = {}
    for term, name in dict.fromkeys([*_names(contract), *former]):
        groups.setdefault(confusable_skeleton(name), []).append((term, name))
    for group in groups.values():
        for (term, one), (_, other) in pairwise(group):
            if one != other:
                this, that = escape_hidden(one), escape_hidden(other)
                zh = f"“{this}”与“{that}”看起来相似而并不相同（大小写、全半角、空格或形近字）"
                en = f'"{this}" looks like "{that}" and is another (case, width, spaces, look-alikes)'
                found.append(NameWarning(term, VisibleText(zh), VisibleText(en)))
    return tuple(dict.fromkeys(found))


def warnings_as_dicts(found: Sequence[NameWarning]) -> list[dict[str, str]]:
    """Oddities as a program reads them: the field ``warnings`` of an answer."""
    return [one.as_dict() for one in found]


@lru_cache(maxsize=4096)
def confusable_skeleton(name: str) -> str:
    """What a name comes to for a hurried reader: compatibility forms, case, marks and spaces undone, and look-alikes
    taken for one: of Latin letters for them, of others for the one that stands first in Unicode. Two names that look
    the same need not come out the same."""
    letters = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    latin = "".join(char if char.isascii() else _first_alike(char) for char in letters)
    plain = unicodedata.normalize("NFKD", latin.casefold())
    return _SPACES.sub("", "".join(c for c in plain if not unicodedata.combining(c))).translate(str.maketrans("i", "l"))


def _names(contract: Contract) -> list[tuple[str, str]]:
    return list(dict.fromkeys((term, text) for term, text in contract.free_texts() if term != "consent.why"))


@lru_cache(maxsize=4096)
def _of(text: str) -> tuple[BilingualText, ...]:
    return tuple(_odd(text))


def _odd(text: str) -> Iterator[BilingualText]:
    char = find_hidden(text)
    if char:
        yield (
            f"“{escape_hidden(text)}”含有不可见或不当的字符 {describe_character(char)}，以转义形式显示",
            f'"{escape_hidden(text)}" holds {describe_character(char)}, which is not seen or out of place; '
            "it is shown as its escape",
        )
    if text.isascii():
        return
    foreign = _foreign(text)
    if foreign:
        zh = "、".join(
            f"{_SCRIPTS.get(script, script)}（{'、'.join(map(describe_character, chars))}）"
            for script, chars in foreign
        )
        en = ", ".join(
            f"{script.capitalize()} ({', '.join(map(describe_character, chars))})" for script, chars in foreign
        )
        yield (
            f"“{escape_hidden(text)}”含有本处不常用的文字：{zh}",
            f'"{escape_hidden(text)}" holds letters of scripts unusual here: {en}',
        )
    wide = sorted({one for one in text if _is_unusual(one)})
    if wide or not unicodedata.is_normalized("NFC", text):
        found = ", ".join(map(describe_character, wide[:5])) or "NFD"
        yield (
            f"“{escape_hidden(text)}”的字母或数字不是通常的写法（{found}）",
            f'"{escape_hidden(text)}" writes letters or digits in an unusual form ({found})',
        )


def _is_unusual(char: str) -> bool:
    """Whether it is a letter, digit or sign in a form that is not the one usually written."""
    if _RADICALS[0] <= ord(char) <= _RADICALS[1]:
        return True
    return char.isalnum() and unicodedata.normalize("NFKC", char) != char


def _foreign(text: str) -> list[tuple[str, list[str]]]:
    """What does not belong beside the others, by script: letters of other scripts, marks that turn the line, and kana
    that all look like Han signs beside such signs."""
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
    from confusable_homoglyphs.categories import alias  # a table that most commands do not need

    return str(alias(char)).upper()


def _all_like_han(text: str, by_script: dict[str, list[str]]) -> bool:
    letters = [char for chars in by_script.values() for char in chars]
    han = any(_script(char) == "HAN" for char in text)
    return han and bool(letters) and all(_script(_first_alike(char, "HAN")) == "HAN" for char in letters)


@lru_cache(maxsize=4096)
def _first_alike(char: str, script: str = "") -> str:
    """The Latin letter or ASCII digit that a character may be taken for; else the first in Unicode of those that it may
    be taken for (of ``script``, where one is named) and itself."""
    from confusable_homoglyphs.confusables import confusables_data

    alike = [one["c"] for one in confusables_data.get(char, ()) if len(one["c"]) == 1]
    if script:
        return next((one for one in alike if _script(one) == script), char)
    latin = next((one for one in alike if one.isascii() and one.isalnum()), "")
    first = min(
        [*(one for one in alike if one.isalnum()), *([char] if char.isalnum() or not alike else [])], default=char
    )
    # What it looks like may look like others again: 囗 like 口, and that like ロ.
    return latin or (first if first >= char else _first_alike(first))
