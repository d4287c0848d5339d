"""The kind of a column, decided by what nearly all of its cells are, and what a person should know about it.

A kind that somebody stated (``ColumnHint``, from a dictionary) is not questioned. What does not fit the kind is counted
as unreadable, and every convention that was inferred is a note. Notes name counts and places, never a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from lab.tables.cells.column_notes import ColumnNote, NoteKind
from lab.tables.cells.column_tally import MAX_LEVELS, ColumnTally
from lab.tables.cells.numbers import COLUMN_UNITS
from lab.tables.cells.reading import CellReading, ColumnKind

NEARLY_ALL: Final = 0.95
"""The share of cells that decides a kind."""
MOSTLY: Final = 0.8
"""The share of numbers from which a column of more than ``TOLD_APART`` levels is still one of numbers."""
TOLD_APART: Final = 64
_LEADING_ZEROS: Final = 0.01
_SENTINEL_SHARE, _SENTINEL_CELLS, _SENTINEL_GAP = 0.005, 3, 0.25


@dataclass(frozen=True, slots=True)
class ColumnHint:
    """What somebody stated of a column: its kind, the unit of its bare numbers, words (or numbers) for no value."""

    kind: ColumnKind | None = None
    unit: str = ""
    null_words: tuple[str, ...] = ()
    reading: CellReading | None = None
    """Conventions that were decided before, which are then not decided again."""


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """A column as it was read. Counts are of cells. ``levels``: distinct values, None for more than 1,000.

    ``undecided``: neither numbers nor text are nearly all of it, and it has too many levels to be categories.
    """

    name: str
    kind: ColumnKind
    reading: CellReading
    rows: int
    missing: int
    unreadable: int
    levels: int | None
    notes: tuple[ColumnNote, ...] = ()
    undecided: bool = False

    @property
    def levels_text(self) -> str:
        """The number of levels for a person."""
        return f"> {MAX_LEVELS:,}" if self.levels is None else f"{self.levels:,}"


def summarise_columns(frame: pl.DataFrame, hints: Mapping[str, ColumnHint] | None = None) -> tuple[ColumnSummary, ...]:
    """The kind, conventions and counts of each column of a table, in its order."""
    found = []
    for column in frame.get_columns():
        hint = (hints or {}).get(column.name, ColumnHint())
        if column.dtype != pl.String:
            found.append(_typed_column(column, hint))
            continue
        tally = ColumnTally(hint_words(hint))
        tally.add(column)
        found.append(summarise_tally(column.name, tally, hint))
    return tuple(found)


def summarise_tally(name: str, tally: ColumnTally, hint: ColumnHint) -> ColumnSummary:
    """The kind, conventions and counts of a column whose cells were counted."""
    kind, undecided = (hint.kind, False) if hint.kind else _decide_kind(tally)
    sentinels = _sentinels(tally, hint) if kind == "numeric" else ()
    reading = CellReading(
        decimal_comma=tally.commas[1] > tally.commas[-1],
        day_first=tally.orders[1] > tally.orders[-1],
        percent_points=_percent_as_written(tally),
        factor=COLUMN_UNITS.get(hint.unit.lower(), 1.0),
        null_words=tuple(sorted(hint_words(hint))),
        sentinels=sentinels,
    )
    reading = hint.reading or reading
    sentinels = reading.sentinels
    missing, unreadable, places = _count(tally, kind)
    missing += sum(tally.sentinels[value] for value in sentinels)
    notes = _notes(tally, kind, sentinels, unreadable, places)
    levels = None if tally.levels is None else len(tally.levels)
    return ColumnSummary(name, kind, reading, tally.rows, missing, unreadable, levels, notes, undecided)


def hint_words(hint: ColumnHint) -> frozenset[str]:
    """The stated words for no value, in lower case."""
    if hint.reading is not None:
        return frozenset(hint.reading.null_words)
    return frozenset(word.strip().lower() for word in hint.null_words)


def _typed_column(column: pl.Series, hint: ColumnHint) -> ColumnSummary:
    """A column that is not text: its type is its kind."""
    inferred: ColumnKind = (
        "boolean" if column.dtype == pl.Boolean else "date" if column.dtype in (pl.Date, pl.Datetime) else "numeric"
    )
    missing = column.null_count()
    if column.dtype.is_float():
        missing += int(column.is_nan().sum())
    levels = column.n_unique()
    return ColumnSummary(
        column.name,
        hint.kind or inferred,
        CellReading(factor=COLUMN_UNITS.get(hint.unit.lower(), 1.0)),
        column.len(),
        missing,
        0,
        levels if levels <= MAX_LEVELS else None,
    )


def _decide_kind(tally: ColumnTally) -> tuple[ColumnKind, bool]:
    present = tally.rows - tally.missing
    if not present:
        return "numeric", False
    pair = tally.pair_count()
    if pair and pair + (tally.zero_one if tally.zero_one < pair else 0) == present:
        return "boolean", False
    told = present - tally.soft_nulls
    if not told:
        return "categorical", False
    if tally.dates + tally.compact_dates >= NEARLY_ALL * told:
        return "date", False
    if _is_code(tally, told):
        return "categorical", False
    if tally.numbers >= NEARLY_ALL * told:
        return "numeric", False
    if tally.levels is not None and len(tally.levels) <= TOLD_APART:
        return "categorical", False
    if tally.numbers >= MOSTLY * told:
        return "numeric", False
    return "categorical", tally.numbers >= 0.5 * told


def _is_code(tally: ColumnTally, told: int) -> bool:
    """Whether numbers are codes: digits alone, with zeros in front that a number would lose."""
    if tally.whole < NEARLY_ALL * told or tally.leading_zeros < max(1.0, _LEADING_ZEROS * told):
        return False
    return tally.widths[0] == tally.widths[1] or tally.leading_zeros >= 0.5 * told


def _percent_as_written(tally: ColumnTally) -> bool:
    """Whether ``12%`` means 12 here: where other cells of the column are as large as its percentages are as written."""
    if not tally.percent or 2 * tally.percent >= tally.numbers:
        return False
    plain, percent = (total / count if count else 0.0 for total, count in tally.magnitude.values())
    return abs(plain - percent) < abs(plain - (percent - 2.0))


def _sentinels(tally: ColumnTally, hint: ColumnHint) -> tuple[float, ...]:
    """Numbers that stand for no value: those stated, or the usual ones that are frequent and far from all others."""
    stated = [float(word) for word in hint.null_words if _is_finite_number(word)]
    if stated:
        return tuple(sorted(set(stated)))
    if not math.isfinite(tally.lowest):
        return ()
    least = max(_SENTINEL_CELLS, _SENTINEL_SHARE * tally.numbers)
    below = {value for value in tally.sentinels if value < tally.lowest}
    above = {value for value in tally.sentinels if value > tally.highest}
    found: list[float] = []
    for group, edge in ((below, tally.lowest), (above, tally.highest)):
        if not group:
            continue
        nearest = max(group) if edge == tally.lowest else min(group)
        far = abs(nearest - edge) >= _SENTINEL_GAP * abs(nearest)
        if far and sum(tally.sentinels[value] for value in group) >= least:
            found += group
    return tuple(sorted(found))


def _is_finite_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _count(tally: ColumnTally, kind: ColumnKind) -> tuple[int, int, Sequence[int]]:
    """Missing cells, unreadable ones, and the places of some unreadable ones."""
    if kind == "numeric":
        return tally.missing + tally.soft_nulls, tally.text + tally.dates, _places(tally, "text", "date")
    if kind == "date":
        numbers = tally.numbers - tally.compact_dates
        return tally.missing + tally.soft_nulls, tally.text + numbers, _places(tally, "text", "number")
    if kind == "boolean":
        readable = tally.words.total() + tally.zero_one
        return tally.missing, tally.rows - tally.missing - readable, _places(tally, "text", "date")
    return tally.missing, 0, ()


def _places(tally: ColumnTally, *classes: str) -> Sequence[int]:
    return sorted(place for name in classes for place in tally.places.get(name, ()))[:5]


def _notes(
    tally: ColumnTally, kind: ColumnKind, sentinels: Sequence[float], unreadable: int, places: Sequence[int]
) -> tuple[ColumnNote, ...]:
    counts: dict[NoteKind, int] = {}
    levels = len(tally.levels) if tally.levels is not None else MAX_LEVELS + 1
    present = tally.rows - tally.missing
    if unreadable:
        counts[NoteKind.UNREADABLE] = unreadable
    if kind == "numeric":
        counts[NoteKind.STYLED] = tally.styled - tally.percent
        counts[NoteKind.PERCENT_POINTS if _percent_as_written(tally) else NoteKind.PERCENT] = tally.percent
        counts[NoteKind.SENTINEL] = sum(tally.sentinels[value] for value in sentinels)
        counts[NoteKind.INFINITE] = tally.infinite
        counts[NoteKind.DECIMAL_COMMA] = tally.commas[1] if tally.commas[1] > tally.commas[-1] else 0
        if (
            tally.whole == tally.numbers == present
            and tally.widths[0] == tally.widths[1] >= 4
            and levels * 5 <= present
        ):
            counts[NoteKind.LIKE_CODES] = levels
    if kind in ("numeric", "date"):
        counts[NoteKind.NULL_WORDS] = tally.soft_nulls
    if kind == "date":
        counts[NoteKind.DAY_OR_MONTH] = tally.orders[2] if not (tally.orders[1] or tally.orders[-1]) else 0
        counts[NoteKind.BOTH_ORDERS] = min(tally.orders[1], tally.orders[-1])
    if kind == "categorical":
        counts[NoteKind.CODES] = tally.leading_zeros if _is_code(tally, max(present - tally.soft_nulls, 1)) else 0
        counts[NoteKind.NUMBERS_AMONG_TEXT] = tally.numbers if tally.text and 2 * tally.numbers >= present else 0
        counts[NoteKind.MANY_LEVELS] = levels if levels > TOLD_APART else 0
    if tally.rows and tally.missing == tally.rows:
        counts[NoteKind.EMPTY] = tally.rows
    return tuple(
        ColumnNote(note, count, tuple(places) if note is NoteKind.UNREADABLE else ())
        for note, count in counts.items()
        if count
    )
