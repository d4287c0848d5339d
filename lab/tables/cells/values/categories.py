"""Cells as categories: the spelling that people see, and the key by which spellings of one category are the same."""

from __future__ import annotations

from typing import Final

import polars as pl

MAX_CATEGORY_CHARACTERS: Final = 200


def normalise_category(text: pl.Series) -> pl.Series:
    """Categories as they are shown, from normalised text: at most 200 characters, whole numbers without ``.0``."""
    return text.str.replace(r"^([0-9]+)\.0+$", "$1").str.slice(0, MAX_CATEGORY_CHARACTERS)


def category_keys(categories: pl.Series) -> pl.Series:
    """What tells categories apart: ``A 类``, ``a类`` and ``A类.`` are one.

    Case, spaces beside a letter that is not Latin, and marks at the end do not count.
    """
    keys = categories.str.to_lowercase()
    keys = keys.str.replace_all(r"([^\x00-\x7F]) +", "$1").str.replace_all(r" +([^\x00-\x7F])", "$1")
    trimmed = keys.str.strip_chars_end(" .,;:。、，；：")
    return keys.zip_with(trimmed == "", trimmed)
