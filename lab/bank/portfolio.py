"""Reads the bank's own records: codes are normalised, and each enterprise is accepted once.

The first row of a code counts. Later rows with the same code are set aside, like rows without a usable code. Nothing is
dropped: every row of the file is either accepted or set aside with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables.code_list import usual_id_columns
from lab.tables.table_reader import hash_file, read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, normalise_identifiers, note_sentences
from lab.terms.names import IdKind

_SAMPLE = 200
"""Cells by which a column of codes is recognised."""


@dataclass(frozen=True, slots=True)
class SetAsideRow:
    """A row that is left out: its number in the file, the text in its code column, and the reason.

    Of a duplicate also ``code``, normalised, and ``counted_row``: the number of the row of the same code that counts.
    """

    row: int
    code_as_written: str | None
    reason: RejectionReason
    code: str | None = None
    counted_row: int | None = None


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The accepted rows, in file order.

    ``frame``: all columns, n rows. ``codes``: normalised, unique, [n]. ``codes_as_written``: [n]. ``row_numbers``: in
    the file, int64 [n]. ``rows``: of the file. ``sha256``: of the file's bytes. ``code_like_columns``:
    other columns that hold credit codes, looked for only where these are wanted and the column of codes has none.
    """

    name: str
    id_column: str
    frame: pl.DataFrame
    codes: tuple[str, ...]
    codes_as_written: tuple[str, ...]
    row_numbers: NDArray[np.int64]
    set_aside: tuple[SetAsideRow, ...]
    rows: int
    sha256: str
    warnings: tuple[str, ...]
    code_like_columns: tuple[str, ...] = ()

    @property
    def set_aside_counts(self) -> dict[str, int]:
        """How many rows were set aside for each reason, by reason code."""
        counts: dict[str, int] = {}
        for row in self.set_aside:
            counts[row.reason.value] = counts.get(row.reason.value, 0) + 1
        return counts


def read_portfolio(path: str | Path, *, kind: IdKind, id_column: str | None = None) -> Portfolio:
    """Read a portfolio; raises what ``read_table`` raises, and ``InvalidInput`` without a code column."""
    path = Path(path)
    table = read_table(path)
    column = _id_column(table.frame, id_column, kind)
    written = table.frame[column].to_list()
    found = normalise_identifiers(written, kind)
    first_rows: dict[str, int] = {}
    accepted: list[int] = []
    aside = [SetAsideRow(row.row, None, row.reason) for row in table.rejected]
    for index, (code, reason) in enumerate(zip(found.codes, found.reasons, strict=True)):
        row = int(table.row_numbers[index])
        if code is None:
            aside.append(SetAsideRow(row, written[index], reason or RejectionReason.EMPTY))
        elif code in first_rows:
            aside.append(SetAsideRow(row, written[index], RejectionReason.DUPLICATE, code, first_rows[code]))
        else:
            first_rows[code] = row
            accepted.append(index)
    picked = np.array(accepted, dtype=np.int64)
    return Portfolio(
        name=path.name,
        id_column=column,
        frame=table.frame[picked],
        codes=tuple(code for index in accepted if (code := found.codes[index]) is not None),
        codes_as_written=tuple(written[index] for index in accepted),
        row_numbers=table.row_numbers[picked],
        set_aside=tuple(sorted(aside, key=lambda row: row.row)),
        rows=table.rows,
        sha256=hash_file(path),
        warnings=(*table.warnings, *note_sentences(found.notes), *_repeated(aside)),
        code_like_columns=() if accepted else _code_like_columns(table.frame, column, kind),
    )


def _code_like_columns(frame: pl.DataFrame, column: str, kind: IdKind) -> tuple[str, ...]:
    """The columns but ``column`` of which more than half the first cells are credit codes, if these are wanted."""
    if kind != "uscc":
        return ()
    samples = {name: frame[name].head(_SAMPLE).to_list() for name in frame.columns if name != column}
    return tuple(
        name for name, sample in samples.items() if normalise_identifiers(sample, kind).accepted_count * 2 > len(sample)
    )


def _repeated(set_aside: list[SetAsideRow]) -> list[str]:
    """A sentence on later rows of an enterprise, whose values are not used; none if there are none."""
    count = sum(row.reason is RejectionReason.DUPLICATE for row in set_aside)
    if not count:
        return []
    return [
        f"{count:,} rows repeat an earlier code and are not used; the first row of an enterprise counts · "
        f"{count:,} 行与前面的代码重复，未使用；每户以首行为准"
    ]


def _id_column(frame: pl.DataFrame, wanted: str | None, kind: IdKind) -> str:
    if wanted is not None:
        if wanted in frame.columns:
            return wanted
        raise InvalidInput(
            f"Expected the code column that --id names; none of the {len(frame.columns)} columns has this name.",
            next_step="name a column of the header with --id",
        )
    usual = usual_id_columns(frame.columns)
    if usual:
        return usual[0]
    first = frame.columns[0]
    sample = frame[first].head(100).to_list()
    if kind == "uscc" and normalise_identifiers(sample, kind).accepted_count * 2 > len(sample):
        return first
    raise InvalidInput(
        "Expected a column of the enterprises' codes; no column has a usual name for it.",
        next_step="name it with --id COLUMN",
    )
