"""A table that somebody exported: read as text, strictly about its shape and tolerant about its encoding.

Bank portfolios, registers and pilot samples all come through here. UTF-8 (with or without byte-order mark), GB18030 and
UTF-16 with a byte-order mark are ordinary; so are commas, semicolons and tabs. Every cell stays a string, so nothing is
guessed about types here. A row whose number of fields differs from the header is set aside with its number, never
dropped silently. Messages name columns by position and rows by number; never a value, and not a header either, because
the first line of a file without a header is data.

Rows are numbered as a spreadsheet shows them: the header is row 1.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers import Reason, normalise

MAX_BYTES = 1 << 30  # 1 GiB: about ten million rows of an ordinary export
MAX_COLUMNS = 10_000
_SEPARATORS = (",", ";", "\t")
_AS_CSV = "save the table as CSV in UTF-8 and try again"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that the job goes on without: its number in the file and why."""

    row: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A table of strings.

    ``frame``: every column String, null for an empty cell. ``numbers``: the row number of each row of ``frame``, [n].
    ``rows``: data rows in the file, those set aside included. ``warnings``: sentences for a person.
    """

    frame: pl.DataFrame
    encoding: str
    rows: int
    warnings: tuple[str, ...]
    numbers: NDArray[np.int64]
    set_aside: tuple[SetAside, ...]


def read_table(path: str | Path, *, max_bytes: int = MAX_BYTES) -> CsvTable:
    """Read a CSV or Parquet file as a table of strings.

    Raises ``NotFound`` when there is no such file; ``InvalidInput`` when it is empty, too large, in no known encoding,
    or its header is missing, unnamed or ambiguous.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"Wanted a table in file {path.name}; there is no such file.", next_step="check the path")
    if path.stat().st_size > max_bytes:
        raise InvalidInput(
            f"Wanted a table of at most {max_bytes:,} bytes; {path.name} has {path.stat().st_size:,}.",
            next_step="split the file, or save it as Parquet",
        )
    data = path.read_bytes()
    if not data.strip():
        raise InvalidInput(f"Wanted a table with a header line; {path.name} is empty.", next_step="export it again")
    if data[:4] == b"PAR1":
        return _read_parquet(data, path.name)
    if data[:4] == b"PK\x03\x04":
        raise InvalidInput(f"Wanted CSV or Parquet; {path.name} is a workbook or zip archive.", next_step=_AS_CSV)
    text, encoding = _decode(data, path.name)
    if not text.strip():
        raise InvalidInput(f"Wanted a table with a header line; {path.name} is empty.", next_step="export it again")
    return _read_text(text, encoding, path.name)


def _decode(data: bytes, name: str) -> tuple[str, str]:
    """The text without byte-order mark, and the encoding's name."""
    if data.startswith(codecs.BOM_UTF8):
        candidates = ["utf-8-sig"]
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8", "gb18030"]
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text, encoding
    raise InvalidInput(
        f"Wanted text in UTF-8, GB18030 or UTF-16 with a byte-order mark; {name} is none of them.", next_step=_AS_CSV
    )


def _read_text(text: str, encoding: str, name: str) -> CsvTable:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    separator = _separator(text)
    records = _split_quoted(text, separator, name) if '"' in text else None
    lines = text.split("\n") if records is None else []
    if records is None and lines and not lines[-1]:
        lines.pop()
    header_at = next(i for i, line in enumerate(lines if records is None else records) if line)
    header = lines[header_at].split(separator) if records is None else records[header_at]
    columns = _check_header([cell.strip() for cell in header], name)

    widths = [_width(line, separator) for line in lines] if records is None else [len(record) for record in records]
    width = np.array(widths, dtype=np.int64)
    width[: header_at + 1] = 0
    numbers = np.flatnonzero(width == len(columns)) + 1
    ragged = np.flatnonzero((width != len(columns)) & (width != 0)) + 1
    if records is None:
        frame = _frame_of_lines([lines[number - 1] for number in numbers.tolist()], columns, separator)
    else:
        frame = _frame_of_records([records[number - 1] for number in numbers.tolist()], columns)
    blank = int((width[header_at + 1 :] == 0).sum())
    warnings = []
    if encoding == "gb18030":
        warnings.append("read as GB18030, because it is not UTF-8 · 不是 UTF-8，按 GB18030 读取")
    if blank:
        warnings.append(f"{blank} blank lines are no rows · 空行 {blank} 行不计")
    if ragged.size:
        warnings.append(f"{ragged.size} rows set aside: {Reason.RAGGED.en} · 搁置 {ragged.size} 行：{Reason.RAGGED.zh}")
    set_aside = tuple(SetAside(row, Reason.RAGGED) for row in ragged.tolist())
    return CsvTable(
        frame, encoding, int(numbers.size + ragged.size), tuple(warnings), numbers.astype(np.int64), set_aside
    )


def _separator(text: str) -> str:
    """The separator that gives the header line the most fields; the comma on a draw."""
    first = next(line for line in text.split("\n", 1000) if line)
    outside_quotes = "".join(first.split('"')[::2])
    return max(_SEPARATORS, key=outside_quotes.count)


def _width(line: str, separator: str) -> int:
    return line.count(separator) + 1 if line else 0


def _split_quoted(text: str, separator: str, name: str) -> list[list[str]]:
    """Records of a file with quoted fields (RFC 4180), a blank line as an empty list."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return list(reader)
    except csv.Error:
        raise InvalidInput(
            f"Wanted quoted fields to be closed; in {name} one near line {reader.line_num} is not.",
            next_step='close the quotation mark, or write a quotation mark inside a field twice ("")',
        ) from None


def _check_header(header: list[str], name: str) -> list[str]:
    unnamed = [str(i + 1) for i, cell in enumerate(header) if not cell]
    if unnamed:
        raise InvalidInput(
            f"Wanted a name for each column in the first line of {name}; column {', '.join(unnamed[:10])} has none.",
            next_step="name the column or delete it",
        )
    repeated = {cell for cell, count in Counter(header).items() if count > 1}
    if repeated:
        positions = [str(i + 1) for i, cell in enumerate(header) if cell in repeated]
        raise InvalidInput(
            f"Wanted different column names in {name}; columns {', '.join(positions[:10])} share a name.",
            next_step="rename one of them",
        )
    if len(header) > MAX_COLUMNS:
        raise InvalidInput(
            f"Wanted at most {MAX_COLUMNS:,} columns in {name}; found {len(header):,}.", next_step="select columns"
        )
    if all(_is_number(cell) for cell in header) or normalise(header, "uscc").accepted:
        raise InvalidInput(
            f"Wanted column names in the first line of {name}; it looks like a row of data.",
            next_step="add a header line",
        )
    return header


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _frame_of_lines(lines: list[str], columns: list[str], separator: str) -> pl.DataFrame:
    if not lines:
        return _empty(columns)
    frame = pl.read_csv(
        io.BytesIO("\n".join(lines).encode()),
        has_header=False,
        new_columns=columns,
        separator=separator,
        quote_char=None,
        infer_schema=False,
    )
    return _blank_to_null(frame)


def _frame_of_records(records: list[list[str]], columns: list[str]) -> pl.DataFrame:
    if not records:
        return _empty(columns)
    cells = zip(*records, strict=True)
    return _blank_to_null(
        pl.DataFrame({name: pl.Series(name, cell, dtype=pl.String) for name, cell in zip(columns, cells, strict=True)})
    )


def _empty(columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _blank_to_null(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all()).name.keep())


def _read_parquet(data: bytes, name: str) -> CsvTable:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (PolarsError, OSError, ValueError):
        raise InvalidInput(f"Wanted a Parquet file; {name} can't be read as one.", next_step="write it again") from None
    nested = [str(i + 1) for i, kind in enumerate(frame.dtypes) if kind.is_nested() or kind in (pl.Binary, pl.Object)]
    if nested:
        raise InvalidInput(
            f"Wanted plain columns in {name}; column {', '.join(nested[:10])} holds lists, records or bytes.",
            next_step="flatten the column or delete it",
        )
    if not frame.columns:
        raise InvalidInput(f"Wanted a table with columns; {name} has none.", next_step="export it again")
    _check_header([column.strip() for column in frame.columns], name)
    frame = frame.rename({column: column.strip() for column in frame.columns})
    frame = _blank_to_null(frame.select(pl.all().cast(pl.String)))
    numbers = np.arange(2, len(frame) + 2, dtype=np.int64)
    return CsvTable(frame, "parquet", len(frame), (), numbers, ())
