"""Validating the rows of a register file. Pure: tables in; good rows, rows set aside and reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from lab.tables.code_list import usual_id_columns
from lab.tables.table_file import TableChunk, TextTable
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdentifierNote, normalise_identifiers
from lab.terms.names import IdKind

# Names of extra columns; a header's names are stripped, so that none of them begins with a space.
ROW, CODE, REASON = " row", " code", " reason"


@dataclass(frozen=True, slots=True)
class ValidatedRows:
    """``kept``: the normalised identifier and the columns, all text. ``set_aside``: row number, reason, the cells."""

    kept: pl.DataFrame
    set_aside: pl.DataFrame
    reasons: dict[str, int]
    """The number of rows set aside for each reason."""
    notes: Mapping[IdentifierNote, int] = field(default_factory=dict)
    """How many identifiers are odd, and how."""


@dataclass(frozen=True, slots=True)
class IdentifiedRows:
    """Rows in the order of the file. ``good``: row number, identifier in normal form, cells. ``set_aside``: row number,
    reason, cells. ``reasons`` and ``notes``: how many rows for which reason, and with which note."""

    good: pl.DataFrame
    set_aside: pl.DataFrame
    reasons: Counter[str]
    notes: Counter[IdentifierNote]


def choose_columns(found: Sequence[str], id_column: str, wanted: Sequence[str]) -> list[str]:
    """The columns to import: those named, or all but the identifier; raises ``InvalidInput`` for missing ones."""
    absent = [column for column in (id_column, *wanted) if column not in found]
    if absent:
        usual = usual_id_columns(found) if id_column in absent else []
        raise InvalidInput(
            f"Expected the columns {', '.join(absent[:20])}; the file's header does not have them.",
            next_step=f"say --id {usual[0]}, which the header has"
            if usual
            else "check --id and --columns against the header",
        )
    columns = [column for column in (wanted or found) if column != id_column]
    _check_names(columns)
    return columns


def _check_names(columns: Sequence[str]) -> None:
    if not columns:
        raise InvalidInput(
            "Expected at least one column beside the identifier; found none.", next_step="check the file"
        )
    if len(set(columns)) != len(columns):
        raise InvalidInput("A column is named twice.", next_step="correct --columns")
    if any(len(column) > 200 for column in columns):
        raise InvalidInput("Expected column names of at most 200 characters.", next_step="shorten the header")


def validate_rows(table: TextTable, id_column: str, id_kind: IdKind, columns: Sequence[str]) -> ValidatedRows:
    """Both steps on a whole table; good rows stay in the file's order."""
    found = validate_identifiers(table, id_column, id_kind)
    kept, later, more = separate_duplicates(found.good.sort(CODE, ROW), columns)
    return ValidatedRows(
        kept.sort(ROW).select(pl.col(CODE).alias(id_column), *columns),
        label_rejected_rows(pl.concat([found.set_aside, later]).sort(ROW)),
        dict(found.reasons + more),
        found.notes,
    )


def validate_identifiers(chunk: TableChunk, id_column: str, id_kind: IdKind) -> IdentifiedRows:
    """The rows with a good identifier and those without. Rows are numbered as in the file (the header is row 1)."""
    normal = normalise_identifiers(chunk.frame[id_column].to_list(), id_kind)
    cells = chunk.frame.columns
    rows = chunk.frame.with_columns(
        pl.Series(ROW, chunk.row_numbers, dtype=pl.Int64),
        pl.Series(CODE, normal.codes, dtype=pl.String),
        pl.Series(REASON, [None if reason is None else str(reason) for reason in normal.reasons], dtype=pl.String),
    )
    ragged = pl.DataFrame(
        {ROW: [line.row for line in chunk.rejected], REASON: [str(line.reason) for line in chunk.rejected]},
        schema={ROW: pl.Int64, REASON: pl.String},
    ).with_columns(pl.lit(None, dtype=pl.String).alias(column) for column in cells)
    good = rows.filter(pl.col(CODE).is_not_null()).select(ROW, CODE, *cells)
    bad = pl.concat([rows.filter(pl.col(CODE).is_null()).select(ROW, REASON, *cells), ragged])
    return IdentifiedRows(good, bad, Counter(bad[REASON].to_list()), Counter(normal.notes))


def separate_duplicates(good: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame, Counter[str]]:
    """The first row of each enterprise; the later ones, set aside; how many for which reason.

    ``good``: by identifier and row number, all rows of an enterprise together. A later row is said to repeat the first
    when its cells in ``columns`` are the same, and to differ from it when not.
    """
    codes = good[CODE]
    begins = (codes != codes.shift(1)).fill_null(True).to_numpy()
    place = np.arange(good.height)
    first = np.maximum.accumulate(np.where(begins, place, 0))
    later = np.flatnonzero(first != place)
    left, right = (good[rows].select(columns) for rows in (later, first[later]))
    same = np.logical_and.reduce([left[name].eq_missing(right[name]).to_numpy() for name in columns])
    words = ["repeats" if equal else "differs from" for equal in same.tolist()]
    numbers = good[ROW].gather(first[later]).to_list()
    reasons = [f"{word} row {number}" for word, number in zip(words, numbers, strict=True)]
    cells = [name for name in good.columns if name not in (ROW, CODE)]
    set_aside = good[later].with_columns(pl.Series(REASON, reasons, dtype=pl.String)).select(ROW, REASON, *cells)
    return good.filter(pl.Series(begins)), set_aside, Counter(words)


def label_rejected_rows(set_aside: pl.DataFrame) -> pl.DataFrame:
    """Rows that were set aside under names that people may read, whatever columns the file has."""
    names = []
    for name in ("row", "reason"):
        while name in set_aside.columns:
            name = f"_{name}"
        names.append(name)
    return set_aside.rename({ROW: names[0], REASON: names[1]})
