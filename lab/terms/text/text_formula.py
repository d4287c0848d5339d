"""``="0123"``: the formula with which exports keep a code from becoming a number in a spreadsheet."""

from __future__ import annotations

from typing import Final

import polars as pl

TEXT_FORMULA: Final = r"""^\s*="((?:[^"]|"")*)"\s*$"""
"""The whole cell is the formula; a quotation mark inside is written twice, as spreadsheets do."""


def without_text_formula(text: pl.Expr) -> pl.Expr:
    """The text inside the formula, and every other text as it is."""
    inside = text.str.extract(TEXT_FORMULA).str.replace_all('""', '"', literal=True)
    return pl.coalesce(inside, text)
