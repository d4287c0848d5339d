"""A dictionary file: words, dimension, domain and grade for the columns of a table, and how their cells are read.

It is TOML: ``[items.<column>]`` tables with ``code``, ``zh``, ``en``, ``dimension``, ``domain``, ``grade``, ``kind``,
``unit`` and ``null`` (a word or a list of words for no value); above them ``domains``, further domains. TOML wants
quotation marks around a name that is not of ASCII letters, digits, hyphens and underscores.

It is read strictly: a key, grade or other word that is not known is refused, so that none is left out in silence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.text.nearest_name import nearest_name
from models.shared.dictionary.dictionary_entries import parse_dictionary
from models.shared.features import FeatureDescription

_MAX_BYTES = 4_000_000
_MOST_NAMED = 20
"""Columns that one error names; the others are counted."""


def read_dictionary(path: Path) -> dict[str, FeatureDescription]:
    """Read a dictionary file; raises ``NotFound`` or ``InvalidInput``, naming everything that is wrong."""
    if not path.is_file():
        raise NotFound(
            f"Expected a dictionary in file {path.name}; there is no such file.",
            next_step="check the path; docs/formats/dictionary.md says how to write one",
        )
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidInput(f"Expected a dictionary of at most {_MAX_BYTES} bytes.", next_step="check the file")
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        place = re.search(r"at line [0-9]+, column [0-9]+", str(error))
        raise InvalidInput(
            f"Expected {path.name} to be TOML in UTF-8; it is not{f', {place.group()}' if place else ''}.",
            next_step='write a table for each column, its name in quotation marks: [items."成立日期"]',
        ) from None
    return parse_dictionary(parsed)


def require_described_columns(
    descriptions: Mapping[str, FeatureDescription], *headers: Sequence[str], what: str = "the table"
) -> None:
    """Check that each entry of a dictionary describes a column of one of the tables, by their headers.

    Raises ``InvalidInput`` naming each entry that describes none, with the nearest column. ``what``: the tables, in a
    sentence. All names are those of the dictionary's owner.
    """
    columns = [column for header in headers for column in header]
    known = set(columns)
    strays = [column for column in descriptions if column not in known]
    if strays:
        raise InvalidInput(
            f"Expected each entry of the dictionary to describe a column of {what}; {len(strays):,} describe none: "
            f"{name_with_nearest(strays, columns)}.",
            next_step="correct the names in [items.COLUMN], or remove the entries",
        )


def name_with_nearest(names: Sequence[str], known: Iterable[str]) -> str:
    """The names, each with the nearest known one, for an error message."""
    candidates = list(known)
    shown = []
    for name in names[:_MOST_NAMED]:
        nearest = nearest_name(name, candidates)
        shown.append(f"{name} (nearest: {nearest})" if nearest else name)
    more = len(names) - _MOST_NAMED
    return ", ".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])
