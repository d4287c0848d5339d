"""Which rows of a register file are taken and which are set aside, and why. Pure: a table in, two tables out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lab.terms.csvfile import CsvTable
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdKind, normalise


@dataclass(frozen=True, slots=True)
class Sorted:
    """``kept``: the identifier in normal form and the columns, all text. ``aside``: row number, reason, the cells."""

    kept: pl.DataFrame
    aside: pl.DataFrame
    reasons: dict[str, int]
    """How many rows were set aside for each kind of reason."""


def choose_columns(found: Sequence[str], id_column: str, wanted: Sequence[str]) -> list[str]:
    """The columns to import: those wanted, or all but the identifier; raises ``InvalidInput`` for those missing."""
    absent = [column for column in (id_column, *wanted) if column not in found]
    if absent:
        raise InvalidInput(
            f"Wanted the columns {', '.join(absent[:20])}; the file's header does not have them.",
            next_step="check --id and --columns against the header",
        )
    columns = [column for column in (wanted or found) if column != id_column]
    if not columns:
        raise InvalidInput("Wanted at least one column beside the identifier; found none.", next_step="check the file")
    if len(set(columns)) != len(columns):
        raise InvalidInput("A column is named twice.", next_step="correct --columns")
    if any(len(column) > 200 for column in columns):
        raise InvalidInput("Wanted column names of at most 200 characters.", next_step="shorten the header")
    return columns


def sort_rows(table: CsvTable, id_column: str, id_kind: IdKind, columns: Sequence[str]) -> Sorted:
    """Normalise identifiers and settle duplicates.

    The first row of an enterprise counts; a later one is set aside as ``repeats row N`` when all its cells are the same
    and ``differs from row N`` when not. Rows are numbered as in the file (the header is row 1).
    """
    normal = normalise(table.frame[id_column].to_list(), id_kind)
    codes = pl.Series("code", normal.codes, dtype=pl.String)
    good = codes.is_not_null().to_numpy()
    index = np.arange(table.frame.height)
    first = _first_rows(codes)
    later = good & (first != index)
    same = _same_cells(table.frame.select(columns), index[later], first[later])

    reasons: list[str | None] = [None if reason is None else str(reason) for reason in normal.reasons]
    counts: dict[str, int] = {}
    for reason in reasons:
        if reason is not None:
            counts[reason] = counts.get(reason, 0) + 1
    for position, equal in zip(index[later], same, strict=True):
        word = "repeats" if equal else "differs from"
        reasons[position] = f"{word} row {table.numbers[first[position]]}"
        counts[word] = counts.get(word, 0) + 1
    for row in table.set_aside:
        counts[str(row.reason)] = counts.get(str(row.reason), 0) + 1

    keep = pl.Series(good & ~later)
    kept = table.frame.select(columns).with_columns(codes.alias(id_column)).filter(keep).select(id_column, *columns)
    return Sorted(kept, _aside(table, reasons), counts)


def _first_rows(codes: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    frame = pl.DataFrame({"code": codes}).with_row_index("position")
    first = frame.select(pl.col("position").cast(pl.Int64).min().over("code"))["position"]
    return np.asarray(first.to_numpy(), dtype=np.int64)


def _same_cells(frame: pl.DataFrame, rows: np.ndarray, others: np.ndarray) -> list[bool]:
    if not len(rows):
        return []
    left, right = frame[rows.tolist()], frame[others.tolist()]
    equal = [left[name].eq_missing(right[name]).to_numpy() for name in frame.columns]
    return [bool(same) for same in np.logical_and.reduce(equal)]


def _aside(table: CsvTable, reasons: Sequence[str | None]) -> pl.DataFrame:
    row, reason = _free_names(table.frame.columns)
    told = table.frame.with_columns(
        pl.Series(row, table.numbers, dtype=pl.Int64), pl.Series(reason, reasons, dtype=pl.String)
    ).filter(pl.col(reason).is_not_null())
    ragged = pl.DataFrame(
        {row: [line.row for line in table.set_aside], reason: [str(line.reason) for line in table.set_aside]},
        schema={row: pl.Int64, reason: pl.String},
    )
    return pl.concat([told.select(row, reason, *table.frame.columns), ragged], how="diagonal").sort(row)


def _free_names(taken: Sequence[str]) -> tuple[str, str]:
    names = []
    for name in ("row", "reason"):
        while name in taken:
            name = f"_{name}"
        names.append(name)
    return names[0], names[1]
