"""A table's file and its rows: read as text, in chunks of bounded size.

A row that is not one of the table is set aside with its number, never dropped in silence: one whose number of fields
differs from the header, one that repeats the header, a row of totals at the end. Messages name columns by position and
rows by number, never a value or a column name: in a file without a header the first line is data. The apostrophes that
``lab.tables.spreadsheet_csv`` writes are removed.

Rows are numbered as in a spreadsheet: the header is row 1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.terms.errors import Conflict, InvalidInput
from lab.terms.identifiers import RejectionReason

CHUNK_CHARACTERS = 8 << 20
"""Characters of a text file that make a chunk; of quoted text, Parquet and workbooks, an eighth as many cells."""
SAVE_AS_CSV = "save the table as CSV in UTF-8 and try again"
_LAST_ROWS = 5
"""Rows at the end among which a row of totals is looked for: notes may follow it."""
_TOTALS = frozenset({"合计", "总计", "共计", "小计", "总和", "total", "totals", "grandtotal", "subtotal"})
_COUNTED_REASONS = (RejectionReason.RAGGED, RejectionReason.HEADER, RejectionReason.TOTAL)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was set aside: its number in the file and the reason."""

    row: int
    reason: RejectionReason


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Consecutive rows of a table of strings.

    ``frame``: every column String, null for an empty cell. ``row_numbers``: the row number of each row of ``frame``,
    [n]. ``blank_lines``: how many lines were blank. ``bytes_read``: bytes of the file read so far, for a progress bar.
    """

    frame: pl.DataFrame
    row_numbers: NDArray[np.int64]
    rejected: tuple[RejectedRow, ...] = ()
    blank_lines: int = 0
    bytes_read: int = 0

    @property
    def rows(self) -> int:
        """How many data rows, with those set aside."""
        return len(self.row_numbers) + len(self.rejected)

    def set_aside(self, rows: NDArray[np.bool_], reason: RejectionReason) -> TableChunk:
        """The chunk with ``rows`` [n] set aside."""
        if not rows.any():
            return self
        more = tuple(RejectedRow(number, reason) for number in self.row_numbers[rows].tolist())
        rejected = tuple(sorted(self.rejected + more, key=lambda one: one.row))
        return replace(self, frame=self.frame.filter(~rows), row_numbers=self.row_numbers[~rows], rejected=rejected)


@dataclass(frozen=True, slots=True)
class TextTable(TableChunk):
    """A whole table. ``warnings``: sentences for the user."""

    encoding: str = ""
    warnings: tuple[str, ...] = ()


class RowSource(Protocol):
    """The rows of a file of one format."""

    def read(self, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        """All rows after the header, in order, under these names; raises ``InvalidInput`` or ``Conflict``."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table's file before its rows are read.

    ``encoding``: of the text, or the format: ``parquet``, ``xlsx``, ``xlsb``, ``xls``, ``ods``. ``size``: in bytes.
    ``notes``: what the user should know of the file as a whole. ``unnamed``: columns after the last named one, which
    must be empty.
    """

    path: Path
    columns: tuple[str, ...]
    encoding: str
    size: int
    rows: RowSource
    state: tuple[int, int]
    notes: tuple[str, ...] = ()
    unnamed: int = 0

    def chunks(self) -> Iterator[TableChunk]:
        """All rows in order, in memory that does not grow with the table (a workbook is held whole, as it is bounded).

        Raises ``InvalidInput`` if a quoted field is not closed or a column without a name has a value, and ``Conflict``
        if the file changed while it was read.
        """
        # A header's names are stripped, so that none of them begins with a space.
        names = self.columns + tuple(f" {number}" for number in range(self.unnamed))
        waiting: list[TableChunk] = []  # they have the last rows, as far as it is known
        for chunk in self.rows.read(names):
            waiting.append(self._check(chunk))
            while sum(len(later.frame) for later in waiting[1:]) >= _LAST_ROWS:
                yield waiting.pop(0)
        yield from _set_aside_totals(waiting)
        if file_state(self.path) != self.state:
            raise changed_file(self.path.name)

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """What the user should know: the encoding, and counts of blank lines and of rows set aside, by reason."""
        found = list(self.notes)
        if self.encoding == "gb18030":
            found.append("read as GB18030, because it is not UTF-8 · 不是 UTF-8，按 GB18030 读取")
        if self.unnamed:
            found.append(
                f"the last {self.unnamed} columns have neither name nor values, and are not read · "
                f"末尾 {self.unnamed} 列既无列名也无内容，不读取"
            )
        if blank:
            found.append(f"{blank} blank lines are not counted · 空行 {blank} 行不计")
        for reason in _COUNTED_REASONS:
            if rows := set_aside.get(reason, 0):
                found.append(f"{rows} rows set aside: {reason.en} · 搁置 {rows} 行：{reason.zh}")
        return tuple(found)

    def _check(self, chunk: TableChunk) -> TableChunk:
        """The chunk without columns that have no name, without marks at the start of a row and repeated headers."""
        frame = chunk.frame
        for place, column in enumerate(frame.get_columns()[len(self.columns) :], start=len(self.columns) + 1):
            if (filled := column.is_not_null()).any():
                raise InvalidInput(
                    f"Expected a name for each column with values in {self.path.name}; column {place} has none, and a "
                    f"value in row {chunk.row_numbers[filled.arg_max()]:,}.",
                    next_step="name the column or delete it; if the first line is a title, delete it",
                )
        frame = frame.select(self.columns)
        first = pl.col(self.columns[0])
        if frame[self.columns[0]].str.starts_with("\ufeff").any():  # files that were put together each had a mark
            frame = blank_to_null(frame.with_columns(first.str.strip_chars_start("\ufeff")))
        chunk = replace(chunk, frame=frame)
        if not frame.select((first.str.strip_chars() == self.columns[0]).any()).item():
            return chunk
        same = pl.all_horizontal(pl.col(name).str.strip_chars() == name for name in self.columns)
        repeated = frame.select(same.fill_null(False)).to_series().to_numpy()
        return chunk.set_aside(repeated, RejectionReason.HEADER)


def _set_aside_totals(chunks: list[TableChunk]) -> list[TableChunk]:
    """The last chunks without rows of totals: those whose first cell that is not empty says so."""
    found: list[TableChunk] = []
    left = _LAST_ROWS
    for chunk in reversed(chunks):
        first = chunk.frame.tail(left).select(pl.coalesce(pl.all())).to_series().to_list()
        totals = np.zeros(len(chunk.frame), dtype=np.bool_)
        totals[len(totals) - len(first) :] = [_is_total(cell) for cell in first]
        found.insert(0, chunk.set_aside(totals, RejectionReason.TOTAL))
        left -= len(first)
    return found


def _is_total(cell: str | None) -> bool:
    return cell is not None and re.sub(r"[\s:]", "", unicodedata.normalize("NFKC", cell)).lower() in _TOTALS


def file_state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last write, which change with the file."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def changed_file(name: str) -> Conflict:
    """The error for a file that was written while it was read."""
    return Conflict(f"{name} was changed while it was read.", next_step="read it again when nobody writes to it")


def blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with null where a cell is blank."""
    return frame.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all()).name.keep())
