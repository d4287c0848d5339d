"""Cells as yes (1) and no (0). A column is of this kind if its words are one pair, such as ``是`` and ``否``."""

from __future__ import annotations

from typing import Final

import polars as pl

from lab.tables.cells.values.numbers import parse_plain

PAIRS: Final[tuple[tuple[str, str], ...]] = (
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("是", "否"),
    ("有", "无"),
    ("对", "错"),
    ("√", "×"),
    ("✓", "✗"),
    ("on", "off"),
)
"""Words for yes and no, in lower case."""
WORDS: Final = frozenset(word for pair in PAIRS for word in pair)
CLEAR_ALONE: Final = (("true", "false"), ("yes", "no"), ("是", "否"), ("√", "×"), ("✓", "✗"))
"""Pairs of which one word is enough; a column of nothing but ``F`` may be of anything."""
NO_AND_NOTHING: Final = "无"
"""The word that is a no beside its yes, and no value elsewhere."""
_VALUES: Final = {word: value for yes, no in PAIRS for word, value in ((yes, 1.0), (no, 0.0))}


def parse_booleans(text: pl.Series) -> pl.Series:
    """Float64 [rows]: 1 for yes, 0 for no, null for what is neither; words of any pair, and the numbers 1 and 0.

    ``text``: normalised (``cells.text.normalise_text``).
    """
    words = text.str.to_lowercase().replace_strict(_VALUES, default=None, return_dtype=pl.Float64)
    numbers = parse_plain(text)
    return words.zip_with(words.is_not_null(), numbers.set(~numbers.is_in([0.0, 1.0]), None))
