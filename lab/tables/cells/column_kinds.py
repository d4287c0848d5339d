"""The kind of a column, decided by what nearly all of its cells are, and what a person should know about it.

A kind that somebody stated (``ColumnHint``, from a dictionary) is not questioned. What does not fit the kind is counted
as unreadable, and every convention that was inferred is a note. Notes name counts and places, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables.cells.column_counts import MAX_LEVELS, ColumnCounts
from lab.tables.cells.column_decision import (
    choose_unit,
    contrary_dates,
    contrary_numbers,
    day_first,
    decide_kind,
    decimal_comma,
    percent_as_written,
)
from lab.tables.cells.column_notes import ColumnNote
from lab.tables.cells.column_noting import Counted, note_column
from lab.tables.cells.column_tally import LARGEST_EXACT, SHOWN_ROWS, ColumnTally
from lab.tables.cells.reading import CellReading, ColumnKind
from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.booleans import NO_AND_NOTHING
from lab.tables.cells.values.dates import days_among
from lab.tables.cells.values.sentinels import find_sentinel_days, find_sentinels
from lab.tables.cells.values.units import COLUMN_UNITS, COUNTED
from lab.terms.errors import InvalidInput

_NAMED_COLUMNS: Final = 10


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
    """A column as it was read. Counts are of cells. ``levels``: distinct values, None for more than 1,000. ``numbers``:
    cells with a number or a date.

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
    numbers: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; ``rows`` of a note are the numbers of some of its cells' rows in the file."""
        return {
            "name": self.name,
            "kind": self.kind,
            "rows": self.rows,
            "levels": self.levels,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "notes": [{"kind": note.kind.value, "count": note.count, "rows": note.places} for note in self.notes],
        }

    @property
    def levels_text(self) -> str:
        """The number of levels for a person."""
        return f"> {MAX_LEVELS:,}" if self.levels is None else f"{self.levels:,}"


def summarise_columns(
    frame: pl.DataFrame,
    hints: Mapping[str, ColumnHint] | None = None,
    row_numbers: NDArray[np.int64] | None = None,
) -> tuple[ColumnSummary, ...]:
    """The kind, conventions and counts of each column of a table, in its order.

    ``row_numbers``, [rows]: each row's number in its file, for the notes; None: rows are counted from 0.
    """
    found = []
    rows = 0 if row_numbers is None else pl.Series(row_numbers, dtype=pl.Int64)
    for column in frame.get_columns():
        hint = (hints or {}).get(column.name, ColumnHint())
        if column.dtype.is_integer() and _beyond_exact(column):
            column = column.cast(pl.String)
        if column.dtype != pl.String:
            found.append(_typed_column(column, hint))
            continue
        tally = ColumnTally(hint_words(hint))
        tally.add(column, rows)
        found.append(summarise_tally(column.name, tally, hint))
    return tuple(found)


def summarise_tally(name: str, tally: ColumnCounts, hint: ColumnHint) -> ColumnSummary:
    """The kind, conventions and counts of a column whose cells were counted with the words of ``hint``."""
    kind, undecided = (hint.kind, False) if hint.kind else decide_kind(tally)
    comma = decimal_comma(tally)
    sentinels: tuple[float, ...] = ()
    few = 0
    if kind == "numeric" and not comma:  # the counts of a column with a decimal comma are not of its values
        sentinels, few = find_sentinels(tally.sentinels, tally.lowest, tally.highest, tally.numbers)
    elif kind == "date":
        sentinels = find_sentinel_days(*tally.days)
    reading = CellReading(
        decimal_comma=comma,
        day_first=day_first(tally),
        percent_points=percent_as_written(tally),
        factor=COLUMN_UNITS.get(hint.unit.lower(), 1.0),
        unit=COUNTED.get(hint.unit.lower(), "") or choose_unit(tally),
        null_words=tuple(sorted(hint_words(hint) | _nothing_word(tally, kind))),
        sentinels=_stated_days(hint, sentinels) if kind == "date" else sentinels,
    )
    reading = hint.reading or reading
    counts = _count(tally, kind, reading, few)
    levels = None if tally.levels is None else len(tally.levels)
    return ColumnSummary(
        name,
        kind,
        reading,
        tally.rows,
        counts.missing,
        counts.unreadable,
        levels,
        note_column(tally, kind, counts),
        undecided,
        tally.numbers + tally.dates,
    )


def require_decided(summaries: Sequence[ColumnSummary]) -> None:
    """Raise ``InvalidInput`` naming the columns that cannot be read as one kind, with counts.

    These are columns of numbers or dates mixed with text, and columns most of whose cells do not fit the stated kind.
    """
    lines = []
    for one in summaries:
        present = one.rows - one.missing
        if one.undecided:
            lines.append(
                f"column {one.name}: {one.numbers:,} of {present:,} cells are numbers or dates, the others are not, "
                f"and there are {one.levels_text} different values"
            )
        elif 2 * one.unreadable > present:
            lines.append(f"column {one.name}: {one.unreadable:,} of {present:,} cells cannot be read as {one.kind}")
    if lines:
        more = f"; and {len(lines) - _NAMED_COLUMNS:,} more" if len(lines) > _NAMED_COLUMNS else ""
        raise InvalidInput(
            f"Expected columns of one kind each; found {'; '.join(lines[:_NAMED_COLUMNS])}{more}.",
            next_step='correct the cells, or state the kind in the dictionary: kind = "categorical" or "numeric" (with '
            "null = [...] for words that stand for no value)",
        )


def _nothing_word(tally: ColumnCounts, kind: ColumnKind) -> frozenset[str]:
    """The word that is "no" beside 有, and no value in any other column of yes and no."""
    beside = tally.pair is not None and NO_AND_NOTHING in tally.pair and tally.pair_count() > tally.soft_words
    return frozenset() if kind != "boolean" or beside else frozenset((NO_AND_NOTHING,))


def hint_words(hint: ColumnHint) -> frozenset[str]:
    """The stated words for no value, normalised and in lower case."""
    if hint.reading is not None:
        return frozenset(hint.reading.null_words)
    words = normalise_text(pl.Series(hint.null_words, dtype=pl.String))
    return frozenset(word.lower() for word in words.drop_nulls().to_list())


def _stated_days(hint: ColumnHint, found: tuple[float, ...]) -> tuple[float, ...]:
    """Days that stand for no value: those found, and those stated."""
    return tuple(sorted({*found, *days_among(hint_words(hint))}))


def _beyond_exact(column: pl.Series) -> bool:
    return bool((column.cast(pl.Float64).abs() >= LARGEST_EXACT).any())


def _typed_column(column: pl.Series, hint: ColumnHint) -> ColumnSummary:
    """A column that is not text: its type is its kind."""
    inferred: ColumnKind = (
        "boolean" if column.dtype == pl.Boolean else "date" if column.dtype in (pl.Date, pl.Datetime) else "numeric"
    )
    missing = column.null_count()
    if column.dtype.is_float():
        missing += int(column.is_nan().sum())
    levels = column.drop_nulls().n_unique()
    return ColumnSummary(
        column.name,
        hint.kind or inferred,
        CellReading(factor=COLUMN_UNITS.get(hint.unit.lower(), 1.0)),
        column.len(),
        missing,
        0,
        levels if levels <= MAX_LEVELS else None,
        numbers=column.len() - missing,
    )


def _count(tally: ColumnCounts, kind: ColumnKind, reading: CellReading, few: int) -> Counted:
    """Missing cells, unreadable ones, and the places of some unreadable ones."""
    sentinel = contrary = 0
    if kind == "numeric":
        sentinel = sum(tally.sentinels[value] for value in reading.sentinels)
        strange = tally.counted.total() - tally.counted[reading.unit]
        contrary = contrary_numbers(tally, decimal_comma=reading.decimal_comma, unit=reading.unit)
        missing, unreadable = tally.soft_nulls + sentinel, tally.text + tally.dates + strange + contrary
        other = "decimal point" if reading.decimal_comma else "decimal comma"
        places = _places(tally, "text", "date", other, *(("counted",) if strange else ()))
    elif kind == "date":
        sentinel = sum(tally.sentinel_days[day] for day in reading.sentinels)
        bare = tally.compact + tally.months + tally.serials
        missing = tally.soft_nulls + tally.no_dates + sentinel
        contrary = contrary_dates(tally, day_first=reading.day_first)
        unreadable = tally.text + tally.numbers - bare - tally.no_dates + contrary
        order = () if reading.day_first is None else ("month first" if reading.day_first else "day first",)
        places = _places(tally, "text", "number", *order)
    elif kind == "boolean":
        no_words = 0 if NO_AND_NOTHING in reading.null_words else tally.soft_words
        readable = tally.words.total() - tally.soft_words + no_words + tally.zeros + tally.ones
        missing = tally.soft_nulls - no_words
        unreadable = tally.rows - tally.missing - missing - readable
        places = _places(tally, "strange", "date", "number")
    else:
        missing, unreadable, places = 0, 0, ()
    return Counted(tally.missing + missing, unreadable, tuple(places), sentinel, few, contrary, reading)


def _places(tally: ColumnCounts, *classes: str) -> Sequence[int]:
    return sorted({place for name in classes for place in tally.places.get(name, ())})[:SHOWN_ROWS]
