"""The rows of a text file, in chunks of bounded size."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables import table_file
from lab.tables.spreadsheet_csv import read_spreadsheet_text
from lab.tables.table_file import RejectedRow, TableChunk, blank_to_null, changed_file
from lab.tables.text.lines import iterate_lines, no_lines, open_text, unclosed_quote
from lab.tables.text.quoted_block import read_quoted_block
from lab.terms.identifiers import RejectionReason


@dataclass(frozen=True, slots=True)
class TextRows:
    """The rows of the text file ``path``. ``skipped``: lines before the header.

    ``quoted``: whether a field may be quoted. Without quotation marks each line is a row and each separator separates,
    which is read several times as fast.
    """

    path: Path
    encoding: str
    separator: str
    quoted: bool
    skipped: int = 0

    def read(self, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        """All rows after the header, with the number of their line; those with another number of fields are set aside.

        Raises ``InvalidInput`` if a quoted field is not closed, and ``Conflict`` if the file changed.
        """
        try:
            with open_text(self.path, self.encoding) as file:
                for _ in range(self.skipped):
                    file.readline()
                yield from self._records(file, columns) if self.quoted else self._lines(file, columns)
        except UnicodeDecodeError:  # the whole file could be decoded when it was opened
            raise changed_file(self.path.name) from None

    def _lines(self, file: TextIO, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        row, header, most = self.skipped + 1, True, table_file.CHUNK_CHARACTERS
        while text := file.read(most):
            text += "" if text.endswith("\n") else file.readline(most)
            if len(text) >= 2 * most:
                raise no_lines(self.path.name)
            data = np.frombuffer((text if text.endswith("\n") else text + "\n").encode(), dtype=np.uint8)
            ends = np.flatnonzero(data == ord("\n"))
            starts = np.concatenate(([0], ends[:-1] + 1))
            separators = np.flatnonzero(data == ord(self.separator))
            width = np.searchsorted(separators, ends) - np.searchsorted(separators, starts) + 1
            width[ends == starts] = 0
            header = _skip_header(width, header)
            good = width == len(columns)
            chosen = data if good.all() else data[np.repeat(good, ends - starts + 1)]
            yield _chunk(self._frame(chosen.tobytes(), columns), width, row, file)
            row += len(width)

    def _records(self, file: TextIO, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        """A file with quoted fields (RFC 4180): a record may span several lines; a blank line is an empty record.

        Blocks whose quotation marks are in order are split at once; from the first other one on, ``csv.reader`` reads.
        """
        progress = _Place(self.skipped + 1, self.skipped)
        while text := self._read_block(file):
            block = read_quoted_block(text, self.separator) if len(columns) > 1 else None
            if block is None:
                yield from self._odd_records(text, file, columns, progress)
                return
            width = block.width
            progress.header = _skip_header(width, progress.header)
            good = width == len(columns)
            chosen = block.data if good.all() else block.data[np.repeat(good, block.lengths)]
            frame = block.restore(self._frame(chosen.tobytes(), columns), self.separator)
            yield _chunk(frame, width, progress.row, file)
            progress.row += len(width)
            progress.lines += text.count("\n")

    def _read_block(self, file: TextIO) -> str:
        """Whole lines, and as far as their quotation marks say whole records; empty at the end of the file."""
        most = table_file.CHUNK_CHARACTERS
        text = file.read(most)
        if not text:
            return ""
        parts = [text, "" if text.endswith("\n") else file.readline(most)]
        length, marks = len(text) + len(parts[1]), sum(part.count('"') for part in parts)
        while marks % 2 and length < 2 * most and (line := file.readline(most)):
            parts.append(line)
            length, marks = length + len(line), marks + line.count('"')
        text = "".join(parts)
        return text if text.endswith("\n") or length >= 2 * most else text + "\n"

    def _odd_records(self, text: str, file: TextIO, columns: tuple[str, ...], progress: _Place) -> Iterator[TableChunk]:
        """The records of ``text`` and of the rest of the file, as ``csv.reader`` reads them."""
        lines = itertools.chain(_whole_lines(text, file, self.path.name), iterate_lines(file, self.path.name))
        reader = csv.reader(lines, delimiter=self.separator, strict=True)
        try:
            while records := list(islice(reader, max(1, table_file.CHUNK_CHARACTERS // 8 // len(columns)))):
                width = np.array([len(record) for record in records], dtype=np.int64)
                progress.header = _skip_header(width, progress.header)
                rows = [record for record, wide in zip(records, width, strict=True) if wide == len(columns)]
                cells = zip(*rows, strict=True) if rows else ([] for _ in columns)
                series = [pl.Series(n, cell, dtype=pl.String) for n, cell in zip(columns, cells, strict=True)]
                yield _chunk(pl.DataFrame(series), width, progress.row, file)
                progress.row += len(records)
        except csv.Error:
            raise unclosed_quote(self.path.name, progress.lines + reader.line_num) from None

    def _frame(self, lines: bytes, columns: tuple[str, ...]) -> pl.DataFrame:
        if not lines:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        return pl.read_csv(
            io.BytesIO(lines),
            has_header=False,
            new_columns=list(columns),
            separator=self.separator,
            quote_char=None,
            infer_schema=False,
        )


@dataclass(slots=True)
class _Place:
    """Where the reading of a file is: the number of the next row, lines before it, whether the header is to come."""

    row: int
    lines: int
    header: bool = True


def _whole_lines(text: str, file: TextIO, name: str) -> Iterator[str]:
    """The lines of ``text``, the last one completed from the file; raises ``InvalidInput`` for one that is too long."""
    for line in iterate_lines(io.StringIO(text), name):
        yield line if line.endswith("\n") else line + next(iterate_lines(file, name), "")


def _chunk(frame: pl.DataFrame, width: NDArray[np.int64], row: int, file: TextIO) -> TableChunk:
    """A chunk of ``frame``. ``width``: fields of each line from row number ``row`` on; 0 for a blank line, -1 up to the
    header.
    """
    good = width == len(frame.columns)
    frame = frame.select(read_spreadsheet_text(column) for column in frame.get_columns())
    ragged = np.flatnonzero(~good & (width > 0)) + row
    rejected = tuple(RejectedRow(number, RejectionReason.RAGGED) for number in ragged.tolist())
    blank, read = int((width == 0).sum()), file.buffer.tell()
    return TableChunk(blank_to_null(frame), np.flatnonzero(good) + row, rejected, blank, read)


def _skip_header(width: NDArray[np.int64], expected: bool) -> bool:
    """Mark with -1 the lines up to the header, the first line that is not blank; True if it is still to come."""
    if not expected:
        return False
    found = np.flatnonzero(width)
    width[: found[0] + 1 if len(found) else None] = -1
    return not len(found)
