"""Notes what a person should know of a column, from the counts of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lab.tables.cells.column_counts import MAX_LEVELS, ColumnCounts
from lab.tables.cells.column_decision import TOLD_APART, is_code, percent_as_written
from lab.tables.cells.column_notes import ColumnNote, NoteKind
from lab.tables.cells.reading import CellReading, ColumnKind
from lab.tables.cells.values.booleans import NO_AND_NOTHING
from lab.tables.cells.values.numbers import DECIMAL_COMMA, POINT_GROUPS, SURE_POINTS

_LIKE_CODE: Final = 4
_LIKE_IDENTIFIER: Final = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """Cells of a column by what became of them. ``places``: of some unreadable ones; ``sentinel``: numbers or days for
    no value, ``few``: cells that look like one but are too few to tell. ``contrary``: unreadable ones with the other
    decimal mark or order of day and month.
    """

    missing: int
    unreadable: int
    places: tuple[int, ...]
    sentinel: int
    few: int
    contrary: int
    reading: CellReading


def note_column(tally: ColumnCounts, kind: ColumnKind, counted: Counted) -> tuple[ColumnNote, ...]:
    """The notes of a column of this kind; ``counted``: its cells."""
    counts = {NoteKind.UNREADABLE: counted.unreadable}
    if kind == "numeric":
        counts |= _number_notes(tally, counted)
    elif kind == "date":
        counts |= _date_notes(tally, counted)
    elif kind == "boolean":
        counts[NoteKind.ONE_AND_ZERO] = tally.zeros + tally.ones if tally.words else 0
    else:
        counts |= _category_notes(tally)
    if kind != "categorical":
        is_no = kind == "boolean" and NO_AND_NOTHING not in counted.reading.null_words
        counts[NoteKind.NULL_WORDS] = tally.soft_nulls - (tally.soft_words if is_no else 0)
    if tally.rows and counted.missing == tally.rows:
        counts[NoteKind.EMPTY] = tally.rows
    return tuple(
        ColumnNote(note, count, counted.places if note is NoteKind.UNREADABLE else ())
        for note, count in counts.items()
        if count
    )


def _number_notes(tally: ColumnCounts, counted: Counted) -> dict[NoteKind, int]:
    percent = NoteKind.PERCENT_POINTS if percent_as_written(tally) else NoteKind.PERCENT
    counts = {
        NoteKind.STYLED: tally.styled - tally.percent - (tally.counted.total() - tally.counted[counted.reading.unit]),
        percent: tally.percent,
        NoteKind.SENTINEL: counted.sentinel,
        NoteKind.MAYBE_SENTINEL: counted.few,
        NoteKind.INFINITE: tally.infinite,
    }
    comma = counted.reading.decimal_comma
    counts[NoteKind.OTHER_MARK] = counted.contrary
    counts[NoteKind.DECIMAL_COMMA] = tally.commas[DECIMAL_COMMA] if comma else 0
    counts[NoteKind.POINT_THOUSANDS] = tally.commas[POINT_GROUPS] + tally.ambiguous_points if comma else 0
    counts[NoteKind.MAYBE_THOUSANDS] = tally.ambiguous_points if not comma and _may_be_thousands(tally) else 0
    currencies = tally.currencies
    foreign = currencies.total() - max(currencies.values(), default=0)
    if len(currencies) == 1 and "cny" not in currencies and 2 * currencies.total() < tally.numbers:
        foreign = currencies.total()
    counts[NoteKind.CURRENCIES] = foreign
    counts[NoteKind.SCALED] = tally.scaled if tally.plain else 0
    counts[NoteKind.ZEROS_LOST] = tally.leading_zeros
    counts[NoteKind.DIGITS_LOST] = tally.beyond_exact
    same_width = tally.whole == tally.plain and tally.widths[0] == tally.widths[1]
    levels = MAX_LEVELS + 1 if tally.levels is None else len(tally.levels)
    if same_width and tally.widths[0] >= _LIKE_CODE and 5 * levels <= tally.plain:
        counts[NoteKind.LIKE_CODES] = levels
    elif same_width and tally.widths[0] >= _LIKE_IDENTIFIER:
        counts[NoteKind.LIKE_IDENTIFIERS] = tally.whole
    return counts


def _may_be_thousands(tally: ColumnCounts) -> bool:
    """Whether all points are followed by three digits, and no whole number is as large as 1,000."""
    return not tally.decimals and not any(tally.commas[mark] for mark in SURE_POINTS) and tally.widths[1] <= 3


def _date_notes(tally: ColumnCounts, counted: Counted) -> dict[NoteKind, int]:
    return {
        NoteKind.DAY_OR_MONTH: tally.orders[2] if not (tally.orders[1] or tally.orders[-1]) else 0,
        NoteKind.BOTH_ORDERS: counted.contrary,
        NoteKind.DIGIT_DATES: tally.compact + tally.months,
        NoteKind.SERIAL_DATES: tally.serials,
        NoteKind.SENTINEL_DAYS: counted.sentinel + tally.no_dates,
    }


def _category_notes(tally: ColumnCounts) -> dict[NoteKind, int]:
    present = tally.rows - tally.missing
    told = max(present - tally.soft_nulls, 1)
    levels = MAX_LEVELS + 1 if tally.levels is None else len(tally.levels)
    return {
        NoteKind.CODES: tally.leading_zeros if is_code(tally, told) else 0,
        NoteKind.IDENTIFIERS: tally.beyond_exact,
        NoteKind.NUMBERS_AMONG_TEXT: tally.numbers if tally.text and 10 * tally.numbers >= told else 0,
        NoteKind.NUMBER_LIKE: tally.number_like if 2 * tally.number_like >= told and levels > TOLD_APART else 0,
        NoteKind.UNCLEAR_DATES: tally.unclear_dates,
        NoteKind.SPELLINGS: tally.spelling_count(),
        NoteKind.LIKE_BOOLEAN: tally.pair_count() if 10 * tally.pair_count() >= 9 * present else 0,
        NoteKind.MANY_LEVELS: levels if levels > TOLD_APART else 0,
    }
