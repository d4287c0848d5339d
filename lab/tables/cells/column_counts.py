"""What was counted in the cells of a column. ``lab.tables.cells.column_decision`` decides its kind by these counts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.tables.cells.values.booleans import NO_AND_NOTHING, PAIRS
from lab.tables.cells.values.categories import category_keys

MAX_LEVELS: Final = 1_000
"""Distinct values that are counted; a column with more has "more than 1,000"."""


@dataclass(slots=True)
class ColumnCounts:
    """The counts of one column. ``null_words``: further words and numbers for no value, in lower case.

    ``numbers``: cells that are a number, ``counted`` those that name a unit; ``dates``: cells that can only be a date;
    ``compact``, ``months``, ``serials``: numbers that may be one; ``soft_nulls``: words for no value, unless the column
    has categories; ``text``: all other cells, ``number_like`` those that begin with digits. ``commas``: cells by what
    they show of the decimal mark, ``unit_commas`` those of ``counted``, with their unit; ``orders``: dates by what they
    show of day and month, ``sentinel_orders`` those of a day that may stand for no date. ``magnitude``: sum of log10 in
    thousandths, and cells.
    """

    null_words: frozenset[str] = frozenset()
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    plain: int = 0
    beyond_one: int = 0
    styled: int = 0
    scaled: int = 0
    percent: int = 0
    soft_nulls: int = 0
    dates: int = 0
    compact: int = 0
    months: int = 0
    serials: int = 0
    no_dates: int = 0
    unclear_dates: int = 0
    text: int = 0
    number_like: int = 0
    zeros: int = 0
    ones: int = 0
    leading_zeros: int = 0
    whole: int = 0
    beyond_exact: int = 0
    widths: tuple[int, int] = (0, 0)
    infinite: int = 0
    decimals: int = 0
    ambiguous_points: int = 0
    commas: Counter[int] = field(default_factory=Counter)
    unit_commas: Counter[tuple[int, str]] = field(default_factory=Counter)
    orders: Counter[int] = field(default_factory=Counter)
    sentinel_orders: Counter[int] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    currencies: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    sentinels: Counter[float] = field(default_factory=Counter)
    sentinel_days: Counter[float] = field(default_factory=Counter)
    lowest: float = math.inf
    highest: float = -math.inf
    days: tuple[float, float] = (math.inf, -math.inf)
    magnitude: Counter[str] = field(default_factory=Counter)
    magnitude_cells: Counter[str] = field(default_factory=Counter)
    levels: set[str] | None = field(default_factory=set)
    places: dict[str, list[int]] = field(default_factory=dict)

    @property
    def soft_words(self) -> int:
        """How many of ``soft_nulls`` are a word for no as well."""
        return self.words[NO_AND_NOTHING]

    @property
    def pair(self) -> tuple[str, str] | None:
        """The words for yes and no with most cells, or None."""
        counts = [sum(self.words[word] for word in pair) for pair in PAIRS]
        return PAIRS[counts.index(max(counts))] if max(counts) else None

    def pair_count(self) -> int:
        """How many cells have a word of that pair."""
        return sum(self.words[word] for word in self.pair or ())

    def spelling_count(self) -> int:
        """How many levels are another spelling of one that is there already."""
        if not self.levels:
            return 0
        return len(self.levels) - category_keys(pl.Series(sorted(self.levels), dtype=pl.String)).n_unique()
