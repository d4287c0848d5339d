"""A table that somebody exported: read as text, strictly about its shape and tolerant about its encoding.

Bank portfolios, registers and pilot samples all come through here, whole (``read_table``) or, at any size, a stretch
at a time (``open_table``). UTF-8 (with or without byte-order mark), GB18030 and UTF-16 with a byte-order mark are
ordinary; so are commas, semicolons and tabs. Every cell stays a string, so nothing is guessed about types here. A row
whose number of fields differs from the header is set aside with its number, never dropped silently. Messages name
columns by position and rows by number; never a value, and not a header either, because the first line of a file without
a header is data. What ``lab.tables.spreadsheet_csv`` put before a cell against formulas is taken away.

Rows are numbered as a spreadsheet shows them: the header is row 1.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from lab.tables.spreadsheet_csv import unescape_formulas, unescape_names
from lab.tables.table_header import check_table_header, choose_separator
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.identifiers import RejectionReason

MAX_TABLE_BYTES = 1 << 30  # 1 GiB: about ten million rows of an ordinary export
CHUNK_CHARACTERS = 8 << 20
"""Characters that are read at once of a text file; of any other, an eighth as many cells."""
_AS_CSV = "save the table as CSV in UTF-8 and try again"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that the job goes on without: its number in the file and why."""

    row: int
    reason: RejectionReason


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Neighbouring rows of a table of strings.

    ``frame``: every column String, null for an empty cell. ``numbers``: the row number of each row of ``frame``, [n].
    ``blank``: lines that are no rows. ``read``: bytes of the file that were read by now, for a bar.
    """

    frame: pl.DataFrame
    row_numbers: NDArray[np.int64]
    rejected: tuple[RejectedRow, ...] = ()
    blank_lines: int = 0
    bytes_read: int = 0

    @property
    def rows(self) -> int:
        """Data rows, those set aside included."""
        return len(self.row_numbers) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class TextTable(TableChunk):
    """A whole table. ``warnings``: sentences for a person."""

    encoding: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table's file, looked at but not read. ``encoding``: ``parquet`` for one; ``size``: in bytes."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    size: int
    _state: tuple[int, int]
    _separator: str = ","
    _quoted: bool = False

    def chunks(self) -> Iterator[TableChunk]:
        """The table from its first row to its last, in memory that does not grow with it.

        Raises ``InvalidInput`` where a quoted field is not closed, and ``Conflict`` if the file was changed meanwhile.
        """
        try:
            if self.encoding == "parquet":
                yield from self._parquet()
            else:
                with _text(self.path, self.encoding) as file:
                    yield from self._records(file) if self._quoted else self._lines(file)
        except UnicodeDecodeError:  # all of it could be decoded when it was opened
            raise _changed(self.path.name) from None
        if _state(self.path) != self._state:
            raise _changed(self.path.name)

    def warnings(self, blank: int, ragged: int) -> tuple[str, ...]:
        """What a person should know of the reading, after so many blank lines and so many ragged rows."""
        told = []
        if self.encoding == "gb18030":
            told.append("read as GB18030, because it is not UTF-8 · 不是 UTF-8，按 GB18030 读取")
        if blank:
            told.append(f"{blank} blank lines are no rows · 空行 {blank} 行不计")
        if ragged:
            told.append(
                f"{ragged} rows set aside: {RejectionReason.RAGGED.en} · 搁置 {ragged} 行：{RejectionReason.RAGGED.zh}"
            )
        return tuple(told)

    def _lines(self, file: TextIO) -> Iterator[TableChunk]:
        """A file without quotation marks: a line is a row, and a separator always separates."""
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
            header = _leave_header(width, header)
            good = width == len(self.columns)
            chosen = data if good.all() else data[np.repeat(good, ends - starts + 1)]
            yield self._stretch(self._frame(chosen.tobytes()), width, row, file)
            row += len(width)

    def _records(self, file: TextIO) -> Iterator[TableChunk]:
        """A file with quoted fields (RFC 4180): a record may go over several lines, a blank line is an empty one."""
        reader = csv.reader(_lines_of(file, self.path.name), delimiter=self._separator, strict=True)
        row, header = 1, True
        try:
            while records := list(islice(reader, max(1, CHUNK_CHARACTERS // 8 // len(self.columns)))):
                width = np.array([len(record) for record in records], dtype=np.int64)
                header = _leave_header(width, header)
                rows = [record for record, wide in zip(records, width, strict=True) if wide == len(self.columns)]
                cells = zip(*rows, strict=True) if rows else ([] for _ in self.columns)
                series = [pl.Series(n, cell, dtype=pl.String) for n, cell in zip(self.columns, cells, strict=True)]
                yield self._stretch(pl.DataFrame(series), width, row, file)
                row += len(records)
        except csv.Error:
            raise _unclosed(self.path.name, reader.line_num) from None

    def _stretch(self, frame: pl.DataFrame, width: NDArray[np.int64], row: int, file: TextIO) -> TableChunk:
        """``width``: fields of each line from row number ``row`` on; 0 if it is blank, -1 up to the header."""
        good = width == len(self.columns)
        frame = frame.select(unescape_formulas(column) for column in frame.get_columns())
        ragged = np.flatnonzero(~good & (width > 0)) + row
        aside = tuple(RejectedRow(number, RejectionReason.RAGGED) for number in ragged.tolist())
        blank, read = int((width == 0).sum()), file.buffer.tell()
        return TableChunk(_blank_to_null(frame), np.flatnonzero(good) + row, aside, blank, read)

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
            raise _no_parquet(self.path.name) from None


def _leave_header(width: NDArray[np.int64], wanted: bool) -> bool:
    """Mark (-1) the lines up to the header, the first that is not blank; whether it is still to come."""
    if not wanted:
        return False
    found = np.flatnonzero(width)
    width[: found[0] + 1 if len(found) else None] = -1
    return not len(found)


def read_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TextTable:
    """Read a CSV or Parquet file as a table of strings. Raises what ``open_table`` and ``stretches`` raise."""
    file = open_table(path, max_bytes=max_bytes)
    stretches = list(file.chunks())
    frames = [part.frame for part in stretches]
    blank = sum(part.blank_lines for part in stretches)
    aside = tuple(chain.from_iterable(part.rejected for part in stretches))
    empty = pl.DataFrame(schema=dict.fromkeys(file.columns, pl.String))
    return TextTable(
        frame=pl.concat(frames) if frames else empty,
        row_numbers=np.concatenate([np.zeros(0, dtype=np.int64), *(part.row_numbers for part in stretches)]),
        rejected=aside,
        blank_lines=blank,
        encoding=file.encoding,
        warnings=file.warnings(blank, len(aside)),
    )


def open_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TableFile:
    """Look at a CSV or Parquet file: its encoding (all of it is decoded once), its separator, its header.

    Raises ``NotFound`` when there is no such file; ``InvalidInput`` when it is empty, too large, in no known encoding,
    or its header is missing, unnamed or ambiguous.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"Wanted a table in file {path.name}; there is no such file.", next_step="check the path")
    state = _state(path)
    if (size := state[0]) > max_bytes:
        raise InvalidInput(
            f"Wanted a table of at most {max_bytes:,} bytes; {path.name} has {size:,}.",
            next_step="split the file, or save it as Parquet",
        )
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        return _open_parquet(path, state)
    if head == b"PK\x03\x04":
        raise InvalidInput(f"Wanted CSV or Parquet; {path.name} is a workbook or zip archive.", next_step=_AS_CSV)
    encoding, quoted = _decoded(path, head)
    with _text(path, encoding) as text:
        lines = _lines_of(text, path.name)
        first = next(line for line in lines if line != "\n")
    separator = choose_separator(first)
    header = first.rstrip("\n").split(separator)
    if quoted:
        with _text(path, encoding) as text:
            reader = csv.reader(_lines_of(text, path.name), delimiter=separator, strict=True)
            try:
                header = next(record for record in reader if record)
            except csv.Error:
                raise _unclosed(path.name, reader.line_num) from None
    columns = check_table_header(unescape_names([cell.strip() for cell in header]), path.name)
    return TableFile(path, tuple(columns), encoding, size, state, separator, quoted)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, by which a table is known; raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_parquet(path: Path, state: tuple[int, int]) -> TableFile:
    try:
        schema = pl.read_parquet_schema(path)
    except (PolarsError, OSError, ValueError):
        raise _no_parquet(path.name) from None
    kinds = enumerate(schema.values(), start=1)
    nested = [str(place) for place, kind in kinds if kind.is_nested() or kind in (pl.Binary, pl.Object)]
    if nested:
        raise InvalidInput(
            f"Wanted plain columns in {path.name}; column {', '.join(nested[:10])} holds lists, records or bytes.",
            next_step="flatten the column or delete it",
        )
    if not schema:
        raise InvalidInput(f"Wanted a table with columns; {path.name} has none.", next_step="export it again")
    columns = check_table_header([column.strip() for column in schema], path.name)
    return TableFile(path, tuple(columns), "parquet", state[0], state)


def _decoded(path: Path, head: bytes) -> tuple[str, bool]:
    """The encoding in which all of a file can be read, and whether a quotation mark stands in it."""
    if head.startswith(codecs.BOM_UTF8):
        candidates = ["utf-8-sig"]
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8", "gb18030"]
    for encoding in candidates:
        said = quoted = foreign = False
        try:
            with _text(path, encoding) as file:
                while text := file.read(CHUNK_CHARACTERS):
                    said, quoted, foreign = said or bool(text.strip()), quoted or '"' in text, foreign or "\x00" in text
        except UnicodeDecodeError:
            continue
        if foreign:
            break
        if not said:
            raise InvalidInput(f"Wanted a table with a header line; {path.name} is empty.", next_step="export it again")
        return encoding, quoted
    raise InvalidInput(
        f"Wanted text in UTF-8, GB18030 or UTF-16 with a byte-order mark; {path.name} is none of them.",
        next_step=_AS_CSV,
    )


def _state(path: Path) -> tuple[int, int]:
    """Size in bytes, and when it was written last: what tells that a file was changed."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _text(path: Path, encoding: str) -> TextIO:
    """The file as text, without byte-order mark; every kind of line end is read as one."""
    return path.open(encoding=encoding)


def _lines_of(file: TextIO, name: str) -> Iterator[str]:
    """Lines with their ends; raises ``InvalidInput`` for one that is no line of a table, but a file without any."""
    while line := file.readline(CHUNK_CHARACTERS):
        if len(line) == CHUNK_CHARACTERS:
            raise _no_lines(name)
        yield line


def _no_lines(name: str) -> InvalidInput:
    return InvalidInput(
        f"Wanted a table in lines; {name} has one of over {CHUNK_CHARACTERS:,} characters.", next_step=_AS_CSV
    )


def _changed(name: str) -> Conflict:
    return Conflict(f"{name} was changed while it was read.", next_step="read it again when it rests")


def _unclosed(name: str, line: int) -> InvalidInput:
    return InvalidInput(
        f"Wanted quoted fields to be closed; in {name} one near line {line} is not.",
        next_step='close the quotation mark, or write a quotation mark inside a field twice ("")',
    )


def _no_parquet(name: str) -> InvalidInput:
    return InvalidInput(f"Wanted a Parquet file; {name} can't be read as one.", next_step="write it again")


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all()).name.keep())
