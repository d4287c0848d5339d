"""What is written in the cells of a column, counted a stretch of rows at a time, before its kind is decided.

Counting needs memory that does not grow with the rows. ``lab.tables.cells.column_kinds`` decides by these counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.tables.cells.booleans import PAIRS, WORDS
from lab.tables.cells.dates import parse_dates
from lab.tables.cells.numbers import parse_numbers
from lab.tables.cells.reading import normalise_category
from lab.tables.cells.text import NULL_WORDS, NUMBER_NULL_WORDS, is_word, normalise_text

MAX_LEVELS: Final = 1_000
"""Distinct values that are counted; a column with more has "more than 1,000"."""
SHOWN_ROWS: Final = 5
"""Row numbers that are kept of each class of cells."""
SENTINELS: Final[tuple[float, ...]] = (
    *(-7.0, -8.0, -9.0, -97.0, -98.0, -99.0, -997.0, -998.0, -999.0, -9999.0, -99999.0, -999999.0, -9999999.0),
    *(999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0, 999999999.0),
)
"""Numbers by which people write that there is no value."""


@dataclass(slots=True)
class ColumnTally:
    """The counts of one column. ``null_words``: further words for no value, in lower case."""

    null_words: frozenset[str] = frozenset()
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    styled: int = 0
    percent: int = 0
    soft_nulls: int = 0
    dates: int = 0
    compact_dates: int = 0
    text: int = 0
    zero_one: int = 0
    leading_zeros: int = 0
    whole: int = 0
    widths: tuple[int, int] = (0, 0)
    infinite: int = 0
    commas: Counter[int] = field(default_factory=Counter)
    orders: Counter[int] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    sentinels: Counter[float] = field(default_factory=Counter)
    lowest: float = float("inf")
    highest: float = float("-inf")
    magnitude: dict[str, tuple[float, int]] = field(default_factory=lambda: {"plain": (0.0, 0), "percent": (0.0, 0)})
    levels: set[str] | None = field(default_factory=set)
    places: dict[str, list[int]] = field(default_factory=dict)

    def add(self, column: pl.Series, rows: pl.Series | None = None) -> None:
        """Count the cells of a stretch of text; ``rows``: the number of each cell's row [cells]; None: its place."""
        self.rows += column.len()
        trimmed = column.str.strip_chars()
        values = trimmed.cast(pl.Float64, strict=False)
        plain = values.is_not_null() & ~values.is_nan().fill_null(value=False)
        self._add_plain(trimmed.filter(plain), values.filter(plain))
        rest = trimmed.filter(~plain)
        self._add_levels(trimmed)
        if rest.len():
            self._add_rest(rest, (~plain).arg_true() if rows is None else rows.filter(~plain))

    def _add_plain(self, text: pl.Series, values: pl.Series) -> None:
        if not text.len():
            return
        self.numbers += text.len()
        self._measure(values, "plain")
        digits = text.str.contains(r"^[0-9]+$")
        whole = text.filter(digits)
        self.whole += whole.len()
        if whole.len():
            self.leading_zeros += int(whole.str.contains("^0[0-9]").sum())
            width = whole.str.len_bytes()
            ordered = width.sort()
            low, high = int(ordered[0]), int(ordered[-1])
            self.widths = (min(self.widths[0] or low, low), max(self.widths[1], high))
            eight = whole.filter(width == 8)
            if eight.len():
                self.compact_dates += int(parse_dates(eight).days.is_not_null().sum())

    def _measure(self, values: pl.Series, style: str) -> None:
        self.zero_one += int(values.is_in([0.0, 1.0]).sum())
        self.infinite += int(values.is_infinite().sum())
        odd = values.is_in(list(SENTINELS))
        if odd.any():
            for value, count in values.filter(odd).value_counts().iter_rows():
                self.sentinels[value] += count
        finite = values.filter(values.is_finite() & ~odd)
        if finite.len():
            self.lowest = min(self.lowest, float(finite.min()))  # type: ignore[arg-type]
            self.highest = max(self.highest, float(finite.max()))  # type: ignore[arg-type]
            logs = finite.filter(finite != 0).abs().log10()
            total, count = self.magnitude[style]
            self.magnitude[style] = (total + float(logs.sum()), count + logs.len())

    def _add_rest(self, rest: pl.Series, places: pl.Series) -> None:
        """Cells that are no plain numbers, each distinct one read once."""
        counted = rest.alias("cell").value_counts()
        cells, counts = counted["cell"], counted["count"]
        text = normalise_text(cells)
        missing = text.is_null() | is_word(text, NULL_WORDS | self.null_words)
        numbers, dates = parse_numbers(text), parse_dates(text)
        is_number = numbers.values.is_not_null() & ~missing
        is_date = dates.days.is_not_null() & ~missing & ~is_number
        soft = is_word(text, NUMBER_NULL_WORDS) & ~missing & ~is_number & ~is_date
        other = ~(missing | is_number | is_date | soft)
        self.missing += int(counts.filter(missing).sum())
        self.numbers += int(counts.filter(is_number).sum())
        self.styled += int(counts.filter(is_number & numbers.styled).sum())
        self.percent += int(counts.filter(is_number & numbers.percent).sum())
        self.dates += int(counts.filter(is_date).sum())
        self.soft_nulls += int(counts.filter(soft).sum())
        self.text += int(counts.filter(other).sum())
        for tally, codes in ((self.commas, numbers.comma), (self.orders, dates.order)):
            for code, count in zip(codes.to_list(), counts.to_list(), strict=True):
                if code:
                    tally[code] += count
        for word, count in zip(text.str.to_lowercase().to_list(), counts.to_list(), strict=True):
            if word in WORDS:
                self.words[word] += count
        self._measure_styled(numbers.values, is_number, numbers.percent, counts)
        for name, mask in (("number", is_number), ("date", is_date), ("soft", soft), ("text", other)):
            known = self.places.setdefault(name, [])
            if len(known) < SHOWN_ROWS and mask.any():
                found = places.filter(rest.is_in(cells.filter(mask).implode(), nulls_equal=True))
                known.extend(found.head(SHOWN_ROWS - len(known)).to_list())

    def _measure_styled(self, values: pl.Series, is_number: pl.Series, percent: pl.Series, counts: pl.Series) -> None:
        for style, mask in (("percent", is_number & percent), ("plain", is_number & ~percent)):
            chosen = values.filter(mask)
            if chosen.len():
                repeated = pl.DataFrame({"v": chosen, "n": counts.filter(mask)})
                self._measure(repeated.select(pl.col("v").repeat_by("n").explode())["v"], style)

    def _add_levels(self, text: pl.Series) -> None:
        if self.levels is None:
            return
        distinct = text.drop_nulls().unique()
        if distinct.len() > 4 * MAX_LEVELS:
            self.levels = None
            return
        self.levels |= set(normalise_category(normalise_text(distinct)).drop_nulls().to_list())
        if len(self.levels) > MAX_LEVELS:
            self.levels = None

    @property
    def pair(self) -> tuple[str, str] | None:
        """The words for yes and no with most cells, or None."""
        counts = [sum(self.words[word] for word in pair) for pair in PAIRS]
        return PAIRS[counts.index(max(counts))] if max(counts) else None

    def pair_count(self) -> int:
        """How many cells have a word of that pair."""
        return sum(self.words[word] for word in self.pair or ())
