"""Reads a table that somebody exported, as text: strict about its shape, tolerant about its encoding.

Bank portfolios, registers and pilot samples are read here: whole (``read_table``), or at any size in chunks
(``open_table``). Encodings: UTF-8 with or without a byte-order mark, GB18030, and UTF-16 with a byte-order mark.
Separators: comma, semicolon, tab. Every cell stays a string, so no type is guessed.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from lab.tables.spreadsheet_csv import unescape_names
from lab.tables.table_file import (
    SAVE_AS_CSV,
    TableFile,
    TextTable,
    file_state,
    iterate_lines,
    open_text,
    unclosed_quote,
    unreadable_parquet,
)
from lab.tables.table_header import check_table_header, choose_separator
from lab.terms.errors import InvalidInput, NotFound

MAX_TABLE_BYTES = 1 << 30  # 1 GiB: about ten million rows of an ordinary export
_DECODED_AT_ONCE = 8 << 20
"""Characters that are decoded at once to find the encoding."""


def read_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TextTable:
    """Read a CSV or Parquet file as a table of strings; raises what ``open_table`` and ``TableFile.chunks`` raise."""
    file = open_table(path, max_bytes=max_bytes)
    chunks = list(file.chunks())
    frames = [chunk.frame for chunk in chunks]
    blank = sum(chunk.blank_lines for chunk in chunks)
    rejected = tuple(chain.from_iterable(chunk.rejected for chunk in chunks))
    empty = pl.DataFrame(schema=dict.fromkeys(file.columns, pl.String))
    return TextTable(
        frame=pl.concat(frames) if frames else empty,
        row_numbers=np.concatenate([np.zeros(0, dtype=np.int64), *(chunk.row_numbers for chunk in chunks)]),
        rejected=rejected,
        blank_lines=blank,
        encoding=file.encoding,
        warnings=file.warnings(blank, len(rejected)),
    )


def open_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TableFile:
    """Find a file's encoding, separator and header; a text file is decoded once from start to end.

    Raises ``NotFound`` if there is no such file; ``InvalidInput`` if it is empty, too large or in an unknown encoding,
    or if its header is missing or ambiguous.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"Expected a table in file {path.name}; there is no such file.", next_step="check the path")
    state = file_state(path)
    if state[0] > max_bytes:
        raise InvalidInput(
            f"Expected a table of at most {max_bytes:,} bytes; {path.name} has {state[0]:,}.",
            next_step="split the file, or save it as Parquet",
        )
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        return _open_parquet(path, state)
    if head == b"PK\x03\x04":
        raise InvalidInput(f"Expected CSV or Parquet; {path.name} is a workbook or zip archive.", next_step=SAVE_AS_CSV)
    return _open_csv(path, state, *_detect_encoding(path, head))


def _open_csv(path: Path, state: tuple[int, int], encoding: str, quoted: bool) -> TableFile:
    with open_text(path, encoding) as text:
        first = next(line for line in iterate_lines(text, path.name) if line != "\n")
    separator = choose_separator(first)
    header = first.rstrip("\n").split(separator)
    if quoted:
        with open_text(path, encoding) as text:
            reader = csv.reader(iterate_lines(text, path.name), delimiter=separator, strict=True)
            try:
                header = next(record for record in reader if record)
            except csv.Error:
                raise unclosed_quote(path.name, reader.line_num) from None
    columns = check_table_header(unescape_names([cell.strip() for cell in header]), path.name)
    return TableFile(path, tuple(columns), encoding, state[0], state, separator, quoted)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal, which identifies a table; raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_parquet(path: Path, state: tuple[int, int]) -> TableFile:
    try:
        schema = pl.read_parquet_schema(path)
    except (PolarsError, OSError, ValueError):
        raise unreadable_parquet(path.name) from None
    kinds = enumerate(schema.values(), start=1)
    nested = [str(place) for place, kind in kinds if kind.is_nested() or kind in (pl.Binary, pl.Object)]
    if nested:
        raise InvalidInput(
            f"Expected plain columns in {path.name}; column {', '.join(nested[:10])} holds lists, records or bytes.",
            next_step="flatten the column or delete it",
        )
    if not schema:
        raise InvalidInput(f"Expected a table with columns; {path.name} has none.", next_step="export it again")
    columns = check_table_header([column.strip() for column in schema], path.name)
    return TableFile(path, tuple(columns), "parquet", state[0], state)


def _detect_encoding(path: Path, head: bytes) -> tuple[str, bool]:
    """The encoding in which the whole file can be read, and whether it holds a quotation mark."""
    if head.startswith(codecs.BOM_UTF8):
        candidates = ["utf-8-sig"]
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8", "gb18030"]
    for encoding in candidates:
        try:
            has_text, quoted, binary = _scan(path, encoding)
        except UnicodeDecodeError:
            continue
        if binary:
            break
        if not has_text:
            raise InvalidInput(
                f"Expected a table with a header line; {path.name} is empty.", next_step="export it again"
            )
        return encoding, quoted
    raise InvalidInput(
        f"Expected text in UTF-8, GB18030 or UTF-16 with a byte-order mark; {path.name} is none of them.",
        next_step=SAVE_AS_CSV,
    )


def _scan(path: Path, encoding: str) -> tuple[bool, bool, bool]:
    """Whether the file has text, a quotation mark, and a zero character; raises ``UnicodeDecodeError``."""
    has_text = quoted = binary = False
    with open_text(path, encoding) as file:
        while text := file.read(_DECODED_AT_ONCE):
            has_text = has_text or bool(text.strip())
            quoted, binary = quoted or '"' in text, binary or "\x00" in text
    return has_text, quoted, binary
