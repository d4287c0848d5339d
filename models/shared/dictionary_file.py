"""A dictionary file: words, dimension, domain and grade for the columns of a table, and how their cells are read.

It is TOML: ``[items.<column>]`` tables with ``code``, ``zh``, ``en``, ``dimension``, ``domain``, ``grade``, ``kind``,
``unit`` and ``null`` (a word or a list of words for no value). TOML wants quotation marks around a name that is not of
ASCII letters, digits, hyphens and underscores.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.text.visible_line import check_visible_line
from models.shared.features import FeatureDescription, parse_feature_descriptions

_MAX_BYTES = 4_000_000


def read_dictionary(path: Path) -> dict[str, FeatureDescription]:
    """Read a dictionary file; raises ``NotFound`` or ``InvalidInput``, naming what is wrong."""
    if not path.is_file():
        raise NotFound(f"Expected a dictionary in file {path.name}; there is no such file.", next_step="check the path")
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidInput(f"Expected a dictionary of at most {_MAX_BYTES} bytes.", next_step="check the file")
    try:
        found = parse_feature_descriptions(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        place = re.search(r"at line [0-9]+, column [0-9]+", str(error))
        raise InvalidInput(
            f"Expected {path.name} to be TOML in UTF-8; it is not{f', {place.group()}' if place else ''}.",
            next_step='write a table for each column, its name in quotation marks: [items."成立日期"]',
        ) from None
    for description in found.values():
        for text in (description.item, description.zh, description.en, description.domain, description.grade):
            check_visible_line(text, "a word of the dictionary", least=0)
    return found
