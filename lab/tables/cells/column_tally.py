"""What is written in the cells of a column, counted a stretch of rows at a time, before its kind is decided.

Counting needs memory that does not grow with the rows, and the stretches do not change the counts.
``lab.tables.cells.column_kinds`` decides by them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from lab.tables.cells.column_counts import MAX_LEVELS, ColumnCounts
from lab.tables.cells.reading import NO_DATES
from lab.tables.cells.text import NULL_WORDS, is_soft_null, is_word, normalise_text
from lab.tables.cells.values.booleans import WORDS
from lab.tables.cells.values.categories import normalise_category
from lab.tables.cells.values.dates import (
    FIRST_SERIAL,
    LAST_SERIAL,
    SERIAL,
    SERIAL_START,
    DateCells,
    days_among,
    parse_dates,
)
from lab.tables.cells.values.numbers import (
    AMBIGUOUS_POINT,
    SURE_COMMAS,
    SURE_POINTS,
    NumberCells,
    numbers_among,
    parse_numbers,
    parse_plain,
)
from lab.tables.cells.values.sentinels import SENTINEL_DAYS, SENTINELS

SHOWN_ROWS: Final = 5
"""Row numbers that are kept of each class of cells."""
LARGEST_EXACT: Final = float(2**53)
"""From here on whole numbers are merged with their neighbours when they become floating-point numbers."""
_BARE_DATES: Final = ((190_001.0, 209_913.0), (19e6, 21e6), (9999e4, 1e8), (19e12, 21e12))
"""Ranges of the numbers that may be dates: months, days, days and times."""
_NUMBER_LIKE: Final = r"^[^\p{L}]{0,3}[0-9]"
_FIRST_CELLS: Final = 10_000


@dataclass(slots=True)
class ColumnTally(ColumnCounts):
    """Counts the cells of one column of text, with ``add``."""

    def add(self, column: pl.Series, rows: pl.Series | int = 0) -> None:
        """Count the cells of a stretch of text; ``rows``: the number of each cell's row [cells], or of the first."""
        self.rows += column.len()
        values = parse_plain(column)
        plain = values.is_not_null()
        self._add_levels(column)
        if plain.all():
            self._add_plain(column, values)
            return
        self._add_plain(column.filter(plain), values.filter(plain))
        self._add_rest(
            column.filter(~plain), (~plain).arg_true() + rows if isinstance(rows, int) else rows.filter(~plain)
        )

    def _add_plain(self, text: pl.Series, values: pl.Series) -> None:
        """Plain numbers; ``text``: without spaces around."""
        if self.null_words:
            stated = values.is_in(numbers_among(self.null_words)) | is_word(text, self.null_words)
            self.missing += int(stated.sum())
            text, values = text.filter(~stated), values.filter(~stated)
        if not text.len():
            return
        self.numbers += text.len()
        self.plain += text.len()
        self.zeros += int((values == 0).sum())
        self.ones += int((values == 1).sum())
        self.no_dates += int(values.is_in(NO_DATES).sum())
        self.beyond_one += int((values.abs() > 1).sum())
        self._measure(values, "plain")
        self._add_points(text.filter(text.str.contains(".", literal=True)))
        self._add_whole(text.filter((values == values.floor()) & (values >= 0)))
        self._add_serials(text, values)
        maybe = pl.Series([False], dtype=pl.Boolean).new_from_index(0, text.len())
        for low, high in _BARE_DATES:
            maybe = maybe | ((values >= low) & (values < high))
        if maybe.any():
            self._add_bare_dates(text.filter(maybe))

    def _add_points(self, text: pl.Series) -> None:
        ambiguous = int(text.str.contains(AMBIGUOUS_POINT).sum())
        self.ambiguous_points += ambiguous
        self.decimals += text.len() - ambiguous

    def _add_whole(self, text: pl.Series) -> None:
        whole = text.filter(text.str.contains(r"^[0-9]+(?:\.0)?$")).str.strip_suffix(".0")
        if not whole.len():
            return
        self.whole += whole.len()
        self.leading_zeros += int(whole.str.contains("^0[0-9]").sum())
        width = whole.str.len_bytes()
        low, high = int(width.min()), int(width.max())  # type: ignore[arg-type]
        self.widths = (min(self.widths[0] or low, low), max(self.widths[1], high))
        if high >= 16:
            self.beyond_exact += int((parse_plain(whole) >= LARGEST_EXACT).sum())

    def _add_serials(self, text: pl.Series, values: pl.Series) -> None:
        maybe = (values >= FIRST_SERIAL) & (values < LAST_SERIAL)
        if maybe.any():
            serial = text.filter(maybe).str.contains(SERIAL)
            self.serials += int(serial.sum())
            self._add_days(values.filter(maybe).filter(serial).floor() + SERIAL_START)

    def _add_bare_dates(self, text: pl.Series) -> None:
        counted = text.alias("cell").value_counts()
        found, counts = parse_dates(counted["cell"]), counted["count"]
        month = counted["cell"].str.len_bytes() == 6
        bare = found.days.is_not_null()
        self.months += int(counts.filter(bare & month).sum())
        self.compact += int(counts.filter(bare & ~month).sum())
        self._add_days(_repeat(found.days, counts))

    def _add_days(self, days: pl.Series) -> None:
        odd = self._may_be_no_day(days)
        if odd.any():
            for day, count in days.filter(odd).value_counts().iter_rows():
                self.sentinel_days[day] += count
            days = days.filter(~odd)
        days = days.drop_nulls()
        if days.len():
            self.days = (min(self.days[0], float(days.min())), max(self.days[1], float(days.max())))  # type: ignore[arg-type]

    def _may_be_no_day(self, days: pl.Series) -> pl.Series:
        """Whether days stand for no date by custom or by what was stated, Boolean [rows]."""
        return days.is_in([*SENTINEL_DAYS, *days_among(self.null_words)]).fill_null(value=False)

    def _measure(self, values: pl.Series, style: str) -> None:
        self.infinite += int(values.is_infinite().sum())
        odd = values.is_in(SENTINELS) if style == "plain" else values.is_null()
        if odd.any():
            for value, count in values.filter(odd).value_counts().iter_rows():
                self.sentinels[value] += count
            values = values.filter(~odd)
        finite = values.filter(values.is_finite())
        if finite.len() and style == "plain":
            self.lowest = min(self.lowest, float(finite.min()))  # type: ignore[arg-type]
            self.highest = max(self.highest, float(finite.max()))  # type: ignore[arg-type]
        logs = finite.filter(finite != 0).abs().log10()
        self.magnitude[style] += int((logs * 1_000).round().sum())
        self.magnitude_cells[style] += logs.len()

    def _add_rest(self, rest: pl.Series, places: pl.Series) -> None:
        """Cells that are no plain numbers as they are, each distinct one read once."""
        counted = rest.alias("cell").value_counts()
        cells, counts = counted["cell"], counted["count"]
        text = normalise_text(cells)
        missing = text.is_null() | is_word(text, NULL_WORDS | self.null_words)
        self.missing += int(counts.filter(missing).sum())
        plain_values = parse_plain(text.set(missing, None))
        plain = plain_values.is_not_null()
        if plain.any():
            times = counts.filter(plain)
            self._add_plain(_repeat(text.filter(plain), times), _repeat(plain_values.filter(plain), times))
        taken = missing | plain
        left, left_counts = text.filter(~taken), counts.filter(~taken)
        classes = self._add_text(left, left_counts)
        for name, mask in classes.items():
            known = self.places.setdefault(name, [])
            if len(known) < SHOWN_ROWS and mask.any():
                known.extend(_first_places(rest, places, cells.filter(~taken).filter(mask), SHOWN_ROWS - len(known)))

    def _add_text(self, text: pl.Series, counts: pl.Series) -> dict[str, pl.Series]:
        """Count distinct cells that are neither plain nor empty; returns where each class is among them."""
        numbers = parse_numbers(text)
        is_number = numbers.values.is_not_null()
        dates = parse_dates(text.set(is_number, None))
        is_soft = is_soft_null(text) & ~is_number
        is_date = dates.days.is_not_null() & ~is_number & ~is_soft
        other = ~(is_number | is_date | is_soft)
        self._add_numbers(numbers, is_number, counts)
        self._add_dates(dates, is_date, other, counts)
        self.soft_nulls += int(counts.filter(is_soft).sum())
        self.text += int(counts.filter(other).sum())
        self.number_like += int(counts.filter(other & text.str.contains(_NUMBER_LIKE)).sum())
        words = is_word(text, WORDS)
        _add_to(self.words, text.filter(words).str.to_lowercase(), counts.filter(words))
        return {
            "number": is_number,
            "counted": is_number & numbers.counted.is_not_null(),
            "date": is_date,
            "decimal comma": is_number & numbers.comma.is_in(SURE_COMMAS),
            "decimal point": is_number & numbers.comma.is_in(SURE_POINTS),
            "day first": is_date & (dates.order == 1),
            "month first": is_date & (dates.order == -1),
            "text": other,
            "strange": other & ~words,
        }

    def _add_numbers(self, found: NumberCells, is_number: pl.Series, counts: pl.Series) -> None:
        self.numbers += int(counts.filter(is_number).sum())
        self.styled += int(counts.filter(is_number & found.styled).sum())
        self.scaled += int(counts.filter(is_number & found.scaled).sum())
        self.percent += int(counts.filter(is_number & found.percent).sum())
        mark = found.comma.set(~is_number, None)
        _add_to(self.commas, mark, counts)
        for code in (*SURE_COMMAS, *SURE_POINTS):
            units: Counter[str] = Counter()
            _add_to(units, found.counted.set(mark.ne_missing(code), None), counts)
            self.unit_commas.update({(code, unit): count for unit, count in units.items()})
        _add_to(self.currencies, found.currency.set(~is_number, None), counts)
        _add_to(self.counted, found.counted.set(~is_number, None), counts)
        bare = is_number & ~found.absolute & found.counted.is_null()
        comma = mark.is_in(SURE_COMMAS).fill_null(value=False)
        styles = {"percent": is_number & found.percent, "comma": bare & comma, "plain": bare & ~comma}
        for style, mask in styles.items():
            if mask.any():
                self._measure(_repeat(found.values.filter(mask), counts.filter(mask)), style)

    def _add_dates(self, found: DateCells, is_date: pl.Series, other: pl.Series, counts: pl.Series) -> None:
        self.dates += int(counts.filter(is_date).sum())
        self.unclear_dates += int(counts.filter(other & found.unclear).sum())
        order = found.order.set(~is_date, None)
        _add_to(self.orders, order, counts)
        _add_to(self.sentinel_orders, order.set(~self._may_be_no_day(found.days), None), counts)
        if is_date.any():
            self._add_days(_repeat(found.days.filter(is_date), counts.filter(is_date)))

    def _add_levels(self, text: pl.Series) -> None:
        if self.levels is None:
            return
        if text.head(_FIRST_CELLS).n_unique() > 4 * MAX_LEVELS:
            self.levels = None
            return
        distinct = text.drop_nulls().unique()
        if distinct.len() > 4 * MAX_LEVELS:
            self.levels = None
            return
        self.levels |= set(normalise_category(normalise_text(distinct)).drop_nulls().to_list())
        if len(self.levels) > MAX_LEVELS:
            self.levels = None


def _first_places(rest: pl.Series, places: pl.Series, chosen: pl.Series, count: int) -> list[int]:
    """The places of the first ``count`` cells of ``rest`` that are ``chosen`` ones; the beginning is usually enough."""
    first = rest.head(_FIRST_CELLS)
    few = chosen.filter(chosen.is_in(first.unique().implode()))
    found = places.head(_FIRST_CELLS).filter(first.is_in(few.implode()))
    if found.len() < count and rest.len() > _FIRST_CELLS:
        found = places.filter(rest.is_in(chosen.implode()))
    return found.head(count).to_list()


def _repeat(values: pl.Series, counts: pl.Series) -> pl.Series:
    repeated = pl.DataFrame({"v": values, "n": counts}).select(pl.col("v").repeat_by("n").explode())
    return repeated["v"]


def _add_to(counter: Counter[Any], codes: pl.Series, counts: pl.Series) -> None:
    """Add the counts of codes that are neither null nor 0."""
    chosen = codes.is_not_null() & (codes != 0 if codes.dtype.is_numeric() else codes != "").fill_null(value=False)
    if chosen.any():
        found = pl.DataFrame({"code": codes.filter(chosen), "count": counts.filter(chosen)})
        counter.update(dict(found.group_by("code").sum().iter_rows()))
