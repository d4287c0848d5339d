"""The entries of a parsed dictionary, checked: every key and every word of a closed list is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lab.tables.cells.reading import COLUMN_KINDS
from lab.tables.cells.values.units import COLUMN_UNITS
from lab.terms.errors import InvalidInput
from lab.terms.text.nearest_name import nearest_name
from lab.terms.text.visible_line import check_visible_line
from models.shared.catalogue_words import DOMAINS, GRADE_WORDS
from models.shared.dimensions import DIMENSION_CODES
from models.shared.features import FeatureDescription

ENTRY_KEYS = ("code", "zh", "en", "dimension", "domain", "grade", "kind", "unit", "null")
_TOP_KEYS = ("items", "domains")
_LONGEST_WORD, _LONGEST_DOMAIN, _LONGEST_COLUMN = 200, 64, 200
_MOST_FAULTS = 20
_MOST_NULL_WORDS = 100
_CODE = re.compile(r"[^\s\x00-\x1f]{1,100}")
_NULL_STEP = 'write, for example, null = ["未填", "-999"]'


def parse_dictionary(dictionary: Mapping[str, Any]) -> dict[str, FeatureDescription]:
    """The ``[items.<column>]`` tables of a parsed TOML dictionary, by column; ``code`` is ``item`` here.

    Raises ``InvalidInput`` naming every unknown key and word, each with the nearest known one, and what is not text.
    """
    domains = {*DOMAINS, *_own_domains(dictionary.get("domains", []))}
    items = dictionary.get("items", {})
    faults = [
        *(
            _unknown(key, _TOP_KEYS, key, hint=f"a column is [items.{key}]")
            for key in dictionary
            if key not in _TOP_KEYS
        ),
        *(["items: found no tables [items.COLUMN]"] if not isinstance(items, Mapping) else []),
    ]
    tables = items if isinstance(items, Mapping) else {}
    for column, entry in tables.items():
        faults += _entry_faults(f"items.{column}", entry, domains)
        if len(column) > _LONGEST_COLUMN:
            faults.append(f"items.{column[:20]}…: a column's name has at most {_LONGEST_COLUMN} characters")
    if faults:
        more = len(faults) - _MOST_FAULTS
        raise InvalidInput(
            f"Expected a dictionary of [items.COLUMN] tables with known keys and words; found {len(faults):,} faults: "
            f"{'; '.join(faults[:_MOST_FAULTS])}{f'; and {more:,} more' if more > 0 else ''}.",
            next_step="correct the dictionary; docs/formats/dictionary.md lists keys and words. A domain of your own "
            'is declared at the top: domains = ["NAME"]',
        )
    return {column: _description(column, entry) for column, entry in tables.items()}


def _own_domains(found: object) -> list[str]:
    texts = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
    if not isinstance(found, list) or len(texts) != len(found) or not all(texts):
        raise InvalidInput(
            f"Expected domains to be a list of texts of at most {_LONGEST_DOMAIN} characters; found something else.",
            next_step='write, for example, domains = ["customs-zone"]',
        )
    return [check_visible_line(one, "a domain of the dictionary", longest=_LONGEST_DOMAIN) for one in texts]


def _entry_faults(place: str, entry: object, domains: Iterable[str]) -> Iterator[str]:
    """Everything that is wrong with one entry."""
    if not isinstance(entry, Mapping):
        yield f"{place}: found no table"
        return
    for key in entry:
        if key not in ENTRY_KEYS:
            yield _unknown(f"{place}.{key}", ENTRY_KEYS, key)
    for key in ENTRY_KEYS[:-1]:
        value = entry.get(key, "")
        wanted = (str, int) if key == "grade" else (str,)
        if not isinstance(value, wanted) or isinstance(value, bool):
            yield f"{place}.{key}: found no text"
            return
    lists = (
        ("dimension", DIMENSION_CODES, DIMENSION_CODES),
        ("domain", sorted(domains), ()),
        ("grade", tuple(GRADE_WORDS), tuple(GRADE_WORDS)),
        ("kind", COLUMN_KINDS, COLUMN_KINDS),
        ("unit", tuple(COLUMN_UNITS), ()),
    )
    for key, known, listed in lists:
        word = str(entry.get(key, "")).strip()
        if (key in entry or word) and (word.lower() if key in ("grade", "unit") else word) not in known:
            yield _unknown(f'{place}.{key} = "{word[:40]}"', known, word, listed)
    code = str(entry.get("code", ""))
    if code and not _CODE.fullmatch(code):
        yield f"{place}.code: a code has 1 to 100 characters without spaces"


def _unknown(shown: str, known: Iterable[str], word: str, listed: Iterable[str] = (), *, hint: str = "") -> str:
    """An unknown word, with the nearest known one, or else those of a short list."""
    known = list(known)
    nearest = nearest_name(word, known)
    listed = listed or (known if len(known) <= len(ENTRY_KEYS) else ())
    if nearest:
        return f"{shown} is not known (nearest: {nearest})"
    if hint:
        return f"{shown} is not known ({hint})"
    return f"{shown} is not known (known: {', '.join(listed)})" if listed else f"{shown} is not known"


def _description(column: str, entry: Mapping[str, Any]) -> FeatureDescription:
    text = {key: str(entry.get(key, "")) for key in ENTRY_KEYS[:-1]}
    for key in ("code", "zh", "en", "domain"):
        check_visible_line(text[key], f"{key} at items.{column} in the dictionary", longest=_LONGEST_WORD, least=0)
    return FeatureDescription(
        item=text["code"],
        zh=text["zh"],
        en=text["en"],
        dimension=text["dimension"].strip(),
        domain=text["domain"].strip(),
        grade=text["grade"].strip(),
        kind=text["kind"].strip(),
        unit=text["unit"].strip(),
        null=_null_words(entry.get("null", ()), column),
    )


def _null_words(found: object, column: str) -> tuple[str, ...]:
    words = [found] if isinstance(found, str | int | float) else found
    if not isinstance(words, list | tuple) or not all(isinstance(word, str | int | float) for word in words):
        raise InvalidInput(
            f"Expected null at items.{column} to be a list of words or numbers; found something else.",
            next_step=_NULL_STEP,
        )
    if len(words) > _MOST_NULL_WORDS or any(len(str(word)) > _LONGEST_WORD for word in words):
        raise InvalidInput(
            f"Expected null at items.{column} to have at most {_MOST_NULL_WORDS} words of at most {_LONGEST_WORD} "
            "characters; found more.",
            next_step=_NULL_STEP,
        )
    return tuple(str(word) for word in words)
