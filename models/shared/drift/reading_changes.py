"""Whether a column is written by other conventions than those by which a model reads it.

A model reads later data as it was trained. If such data show another convention (``12%`` means 12 and not 0.12, the day
comes before the month, a comma is the decimal mark), the model would read every cell and take it for another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from lab.tables.cells.column_kinds import ColumnHint, ColumnSummary, summarise_columns
from lab.tables.cells.column_notes import ColumnNote, NoteKind
from lab.terms.text.bilingual import BilingualText
from models.shared.features import Feature

_TOLD = frozenset(
    (
        *(NoteKind.SCALED, NoteKind.CURRENCIES, NoteKind.PERCENT, NoteKind.PERCENT_POINTS, NoteKind.SENTINEL),
        *(NoteKind.MAYBE_SENTINEL, NoteKind.SENTINEL_DAYS, NoteKind.INFINITE, NoteKind.DECIMAL_COMMA),
        *(NoteKind.POINT_THOUSANDS, NoteKind.MAYBE_THOUSANDS, NoteKind.DIGITS_LOST, NoteKind.DAY_OR_MONTH),
        NoteKind.BOTH_ORDERS,
    )
)
"""Notes of which a person should hear when data are scored; the others change no value."""


@dataclass(frozen=True)
class ReadingChange:
    """What a column shows beside the reading of a model.

    ``changes``: conventions that contradict it, in both languages; ``notes``: what else a person should know.
    """

    name: str
    changes: tuple[BilingualText, ...]
    notes: tuple[ColumnNote, ...]


def compare_readings(frame: pl.DataFrame, features: Sequence[Feature]) -> tuple[ReadingChange, ...]:
    """Compare the columns of ``features`` in ``frame``, which has all of them."""
    hints = {one.name: ColumnHint(kind=one.kind, null_words=one.reading.null_words) for one in features}
    summaries = summarise_columns(frame.select(list(hints)), hints)
    return tuple(_compare(feature, summary) for feature, summary in zip(features, summaries, strict=True))


def _compare(feature: Feature, summary: ColumnSummary) -> ReadingChange:
    known, found = feature.reading, summary.reading
    kinds = {note.kind for note in summary.notes}
    changes: list[BilingualText] = []
    if feature.kind == "numeric":
        if known.decimal_comma != found.decimal_comma and (found.decimal_comma or NoteKind.POINT_THOUSANDS in kinds):
            changes.append(("逗号与点号的用法与训练时不同", "comma and point are used otherwise than in training"))
        percent = kinds & {NoteKind.PERCENT, NoteKind.PERCENT_POINTS}
        if percent and known.percent_points is not None and known.percent_points != found.percent_points:
            changes.append(("百分数的写法与训练时不同", "percentages are written otherwise than in training"))
    orders = {known.day_first, found.day_first}
    shown = NoteKind.DAY_OR_MONTH not in kinds  # otherwise no cell shows the order
    if feature.kind == "date" and orders == {True, False} and shown:
        changes.append(("日与月的顺序与训练时不同", "day and month come in another order than in training"))
    return ReadingChange(feature.name, tuple(changes), tuple(note for note in summary.notes if note.kind in _TOLD))
