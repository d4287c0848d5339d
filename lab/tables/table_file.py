"""A table's file and its rows: read as text, in chunks of bounded size.

A row whose number of fields differs from the header is set aside with its number, never dropped in silence. Messages
name columns by position and rows by number, never a value or a column name: in a file without a header the first line
is data. The apostrophes that ``lab.tables.spreadsheet_csv`` writes are removed.

Rows are numbered as in a spreadsheet: the header is row 1.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from lab.tables.spreadsheet_csv import unescape_formulas
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.identifiers import RejectionReason

CHUNK_CHARACTERS = 8 << 20
"""Characters of a text file that make a chunk; of quoted text and Parquet, an eighth as many cells."""
SAVE_AS_CSV = "save the table as CSV in UTF-8 and try again"


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


@dataclass(frozen=True, slots=True)
class TextTable(TableChunk):
    """A whole table. ``warnings``: sentences for the user."""

    encoding: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table's file before its rows are read. ``encoding``: of the text, or ``parquet``; ``size``: in bytes."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    size: int
    _state: tuple[int, int]
    _separator: str = ","
    _quoted: bool = False

    def chunks(self) -> Iterator[TableChunk]:
        """All rows in order, in memory that does not grow with the table.

        Raises ``InvalidInput`` if a quoted field is not closed, and ``Conflict`` if the file changed while it was read.
        """
        try:
            if self.encoding == "parquet":
                yield from self._parquet()
            else:
                with open_text(self.path, self.encoding) as file:
                    yield from self._records(file) if self._quoted else self._lines(file)
        except UnicodeDecodeError:  # the whole file could be decoded when it was opened
            raise _changed(self.path.name) from None
        if file_state(self.path) != self._state:
            raise _changed(self.path.name)

    def warnings(self, blank: int, ragged: int) -> tuple[str, ...]:
        """What the user should know: the encoding, and the counts of blank lines and ragged rows."""
        found = []
        if self.encoding == "gb18030":
            found.append("read as GB18030, because it is not UTF-8 · 不是 UTF-8，按 GB18030 读取")
        if blank:
            found.append(f"{blank} blank lines are not counted · 空行 {blank} 行不计")
        if ragged:
            found.append(
                f"{ragged} rows set aside: {RejectionReason.RAGGED.en} · 搁置 {ragged} 行：{RejectionReason.RAGGED.zh}"
            )
        return tuple(found)

    def _lines(self, file: TextIO) -> Iterator[TableChunk]:
        """A file without quotation marks: each line is a row, and each separator separates."""
        row, header = 1, True
        while text := file.read(CHUNK_CHARACTERS):
            text += "" if text.endswith("\n") else file.readline(CHUNK_CHARACTERS)
            if len(text) >= 2 * CHUNK_CHARACTERS:
                raise _no_lines(self.path.name)
            data = np.frombuffer((text if text.endswith("\n") else text + "\n").encode(), dtype=np.uint8)
            ends = np.flatnonzero(data == ord("\n"))
            starts = np.concatenate(([0], ends[:-1] + 1))
            separators = np.flatnonzero(data == ord(self._separator))
            width = np.searchsorted(separators, ends) - np.searchsorted(separators, starts) + 1
            width[ends == starts] = 0
            header = _skip_header(width, header)
            good = width == len(self.columns)
            chosen = data if good.all() else data[np.repeat(good, ends - starts + 1)]
            yield self._chunk(self._frame(chosen.tobytes()), width, row, file)
            row += len(width)

    def _records(self, file: TextIO) -> Iterator[TableChunk]:
        """A file with quoted fields (RFC 4180): a record may span several lines; a blank line is an empty record."""
        reader = csv.reader(iterate_lines(file, self.path.name), delimiter=self._separator, strict=True)
        row, header = 1, True
        try:
            while records := list(islice(reader, max(1, CHUNK_CHARACTERS // 8 // len(self.columns)))):
                width = np.array([len(record) for record in records], dtype=np.int64)
                header = _skip_header(width, header)
                rows = [record for record, wide in zip(records, width, strict=True) if wide == len(self.columns)]
                cells = zip(*rows, strict=True) if rows else ([] for _ in self.columns)
                series = [pl.Series(n, cell, dtype=pl.String) for n, cell in zip(self.columns, cells, strict=True)]
                yield self._chunk(pl.DataFrame(series), width, row, file)
                row += len(records)
        except csv.Error:
            raise unclosed_quote(self.path.name, reader.line_num) from None

    def _chunk(self, frame: pl.DataFrame, width: NDArray[np.int64], row: int, file: TextIO) -> TableChunk:
        """A chunk of ``frame``. ``width``: fields of each line from row number ``row`` on; 0 for a blank line, -1 up to
        the header.
        """
        good = width == len(self.columns)
        frame = frame.select(unescape_formulas(column) for column in frame.get_columns())
        ragged = np.flatnonzero(~good & (width > 0)) + row
        rejected = tuple(RejectedRow(number, RejectionReason.RAGGED) for number in ragged.tolist())
        blank, read = int((width == 0).sum()), file.buffer.tell()
        return TableChunk(_blank_to_null(frame), np.flatnonzero(good) + row, rejected, blank, read)

    def _frame(self, lines: bytes) -> pl.DataFrame:
        if not lines:
            return pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String))
        return pl.read_csv(
            io.BytesIO(lines),
            has_header=False,
            new_columns=list(self.columns),
            separator=self._separator,
            quote_char=None,
            infer_schema=False,
        )

    def _parquet(self) -> Iterator[TableChunk]:
        scan, step = pl.scan_parquet(self.path), max(1, CHUNK_CHARACTERS // 8 // len(self.columns))
        try:
            rows = int(scan.select(pl.len()).collect().item())
            for first in range(0, max(rows, 1), step):
                frame = scan.slice(first, step).collect()
                frame.columns = list(self.columns)
                frame = _blank_to_null(frame.select(pl.all().cast(pl.String)))
                numbers = np.arange(first + 2, first + 2 + len(frame), dtype=np.int64)
                yield TableChunk(frame, numbers, bytes_read=self.size * (first + len(frame)) // max(rows, 1))
        except (PolarsError, OSError, ValueError):
            raise unreadable_parquet(self.path.name) from None


def _skip_header(width: NDArray[np.int64], expected: bool) -> bool:
    """Mark with -1 the lines up to the header, the first line that is not blank; True if it is still to come."""
    if not expected:
        return False
    found = np.flatnonzero(width)
    width[: found[0] + 1 if len(found) else None] = -1
    return not len(found)


def file_state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last write, which change with the file."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def open_text(path: Path, encoding: str) -> TextIO:
    """The file as text without its byte-order mark; every kind of line end is read as a line feed."""
    return path.open(encoding=encoding)


def iterate_lines(file: TextIO, name: str) -> Iterator[str]:
    """Lines with their ends; raises ``InvalidInput`` for one that is too long: then the file has no lines."""
    while line := file.readline(CHUNK_CHARACTERS):
        if len(line) == CHUNK_CHARACTERS:
            raise _no_lines(name)
        yield line


def _no_lines(name: str) -> InvalidInput:
    return InvalidInput(
        f"Expected a table in lines; {name} has one of over {CHUNK_CHARACTERS:,} characters.", next_step=SAVE_AS_CSV
    )


def _changed(name: str) -> Conflict:
    return Conflict(f"{name} was changed while it was read.", next_step="read it again when nobody writes to it")


def unclosed_quote(name: str, line: int) -> InvalidInput:
    """The error for a quoted field that is never closed."""
    return InvalidInput(
        f"Expected quoted fields to be closed; in {name} one near line {line} is not.",
        next_step='close the quotation mark, or write a quotation mark inside a field twice ("")',
    )


def unreadable_parquet(name: str) -> InvalidInput:
    """The error for a file that is not the Parquet file it claims to be."""
    return InvalidInput(f"Expected a Parquet file; {name} can't be read as one.", next_step="write it again")


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all()).name.keep())
