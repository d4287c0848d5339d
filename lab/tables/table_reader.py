"""Reads a table that somebody exported, as text: strict about its shape, tolerant about its format.

Bank portfolios, registers, pilot samples, lists of codes and consents are read here: whole (``read_table``), or at any
size in chunks (``open_table``). Formats: text in UTF-8, GB18030 or UTF-16 (``lab.tables.text``), Parquet, and workbooks
(``lab.tables.workbook``). Every cell stays a string, so no type is guessed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from lab.tables.parquet_rows import ParquetRows, read_parquet_header
from lab.tables.spreadsheet_csv import unescape_names
from lab.tables.table_file import SAVE_AS_CSV, TableFile, TextTable, file_state
from lab.tables.table_header import check_table_header, clean_names
from lab.tables.text.encoding import detect_encoding
from lab.tables.text.layout import find_layout
from lab.tables.text.rows import TextRows
from lab.tables.workbook.reading import read_workbook
from lab.terms.errors import InvalidInput, NotFound

MAX_TABLE_BYTES = 1 << 30  # 1 GiB: about ten million rows of an ordinary export
_HEAD_BYTES = 256
_PARQUET, _WORKBOOKS = b"PAR1", (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_PAGES = (b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta", b"<head", b"<body", b"<div", b"<style")


def read_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TextTable:
    """Read a file as a table of strings; raises what ``open_table`` and ``TableFile.chunks`` raise."""
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
        warnings=file.warnings(blank, Counter(row.reason for row in rejected)),
    )


def open_table(path: str | Path, *, max_bytes: int = MAX_TABLE_BYTES) -> TableFile:
    """Find a file's format and header; a text file is decoded once from start to end, a workbook is read whole.

    Raises ``NotFound`` if there is no such file; ``InvalidInput`` if it is empty, too large, in an unknown format or
    encoding, or if its header is missing or ambiguous.
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
        head = file.read(_HEAD_BYTES)
    if head.startswith(_PARQUET):
        names = check_table_header([name.strip() for name in read_parquet_header(path)], path.name)
        return TableFile(path, tuple(names), "parquet", state[0], ParquetRows(path, state[0]), state)
    if head.startswith(_WORKBOOKS):
        return _open_workbook(path, state)
    return _open_text(path, state, head)


def _open_workbook(path: Path, state: tuple[int, int]) -> TableFile:
    sheet = read_workbook(path)
    names, unnamed = clean_names(unescape_names(sheet.header()))
    if unnamed and not sheet.is_empty_from(len(names)):  # such as below a title
        names, unnamed = [*names, *[""] * unnamed], 0
    columns = tuple(check_table_header(names, path.name))
    return TableFile(path, columns, sheet.facts.format, state[0], sheet, state, sheet.facts.notes(), unnamed)


def _open_text(path: Path, state: tuple[int, int], head: bytes) -> TableFile:
    encoding, quoted = detect_encoding(path)
    if head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower().startswith(_PAGES):
        raise InvalidInput(
            f"Expected CSV, Parquet or a workbook; {path.name} is a web page or XML, whatever its name says.",
            next_step=SAVE_AS_CSV,
        )
    layout = find_layout(path, encoding, quoted)
    names, unnamed = clean_names(unescape_names(layout.header))
    columns = tuple(check_table_header(names, path.name))
    rows = TextRows(path, encoding, layout.separator, quoted, layout.first)
    return TableFile(path, columns, encoding, state[0], rows, state, (), unnamed + layout.extra)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal, which identifies a table; raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
