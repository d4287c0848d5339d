"""Reads a workbook: a process of its own parses it, confined, and sends text back, which is checked here.

Nothing of a workbook is parsed in a process with keys or network. On a machine that cannot confine a process, a
workbook is refused: CSV needs no parser of that kind.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from lab.tables import table_file
from lab.tables.spreadsheet_csv import read_spreadsheet_text
from lab.tables.table_file import SAVE_AS_CSV, TableChunk, blank_to_null
from lab.terms.errors import InvalidInput

MAX_TEXT_BYTES = 1 << 30
"""Of all cells as text."""
FORMATS = ("xlsx", "xlsb", "xls", "ods")
_SECONDS = 900
_BEGIN = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from lab.tables.workbook.confined_reader import main; main()"
)
_PIECE = 1 << 20
_MAX_ABOUT_BYTES = 1 << 20
_RESAVE = "open it in a spreadsheet program, save it again as .xlsx or CSV, and try again"
REFUSALS: dict[str, tuple[str, str]] = {
    "unconfined": (
        "a machine that can confine the process that reads a workbook; this one can't",
        f"{SAVE_AS_CSV}; `lab doctor` says what the machine lacks",
    ),
    "file-size": ("a workbook of at most {0:,} bytes; {name} has {1:,}", SAVE_AS_CSV),
    "unpacked-size": ("a workbook that unpacks to at most {0:,} bytes; {name} unpacks to more", SAVE_AS_CSV),
    "ratio": ("a workbook; a part of {name} unpacks to over {0:,} times its size", SAVE_AS_CSV),
    "parts": ("a workbook of at most {0:,} parts; {name} has {1:,}", SAVE_AS_CSV),
    "paths": ("a workbook; {name} has parts with paths that no workbook has", _RESAVE),
    "document-type": ("a workbook; {name} declares a document type or entities, which no workbook does", _RESAVE),
    "password": ("a workbook without a password; {name} is encrypted", "save it without a password and try again"),
    "no-workbook": ("CSV, Parquet or a workbook; {name} is another kind of archive or document", SAVE_AS_CSV),
    "damaged": ("a workbook; {name} is damaged or cut off", _RESAVE),
    "memory": ("a workbook that fits in the memory of its reader; {name} does not", SAVE_AS_CSV),
    "no-table": ("a sheet with a table; {name} has none", "check the file"),
    "hidden-sheets": ("a visible sheet with a table; {name} has data in hidden sheets at most", "show the sheet"),
    "merged-header": (
        "one cell for each column name; row {0:,} of {name} is in merged cells",
        "if the row is a title, delete it; else unmerge the cells and write one header line, a name for each column",
    ),
    "merged-rows": (
        "a value in each row; in {name} a merged cell that begins in row {0:,} spans several",
        "unmerge the cells and fill the value into each row",
    ),
}
"""Why a workbook is refused: what is expected and found, and the next step."""


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What the reader says of the sheet it read. Positions count from 1.

    ``sheet``: its position; ``sheets_with_data``: visible ones. ``first_row``, ``first_column``: the header's.
    ``long_numbers``: counts of numbers that lost digits, by column. ``merged_cells``: merged areas within a row.
    ``error_cells``, ``formulas_without_result``: in the whole ``.xlsx``.
    """

    format: str
    sheet: int
    sheets_with_data: int
    first_row: int
    first_column: int
    long_numbers: tuple[tuple[int, int], ...]
    merged_cells: int
    error_cells: int
    formulas_without_result: int

    def notes(self) -> tuple[str, ...]:
        """What the user should know."""
        found = []
        if self.sheets_with_data > 1:
            found.append(
                f"{self.sheets_with_data} sheets have data; only sheet {self.sheet} was read · "
                f"{self.sheets_with_data} 个工作表有数据，只读取第 {self.sheet} 个"
            )
        for column, count in self.long_numbers:
            found.append(
                f"column {column}: {count} numbers of more than 15 digits, of which a workbook does not keep the last; "
                f"store codes as text · 第 {column} 列有 {count} 个数字超过 15 位，工作簿不保存其末位；代码请存为文本"
            )
        if self.merged_cells:
            found.append(
                f"{self.merged_cells} merged cells: only the first column of each has the value · "
                f"合并单元格 {self.merged_cells} 处，只有首列有值"
            )
        if self.error_cells:
            found.append(
                f"{self.error_cells} cells of the workbook hold an error and are read as empty · "
                f"工作簿中 {self.error_cells} 个单元格为错误值，按空读取"
            )
        if self.formulas_without_result:
            found.append(
                f"{self.formulas_without_result} formulas of the workbook have no stored result and are read as empty; "
                f"save it in a spreadsheet program · 工作簿中 {self.formulas_without_result} 个公式没有保存结果，按空"
                "读取；请用电子表格软件重新保存"
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class SheetRows:
    """The rows of a sheet. ``cells``: with the header, all String. ``size``: of the workbook, in bytes."""

    cells: pl.DataFrame
    facts: SheetFacts
    size: int

    def header(self) -> list[str]:
        """The cells of the first used row; empty strings for empty cells."""
        return [str(cell or "") for cell in self.cells.row(0)]

    def is_empty_from(self, place: int) -> bool:
        """Whether no column from ``place`` (from 0) on has a cell that is not blank."""
        return all(not (column.str.strip_chars() != "").any() for column in self.cells.get_columns()[place:])

    def read(self, columns: tuple[str, ...]) -> Iterator[TableChunk]:
        """The rows below the header, numbered as in the sheet."""
        frame = self.cells.slice(1)
        frame.columns = list(columns)
        step = max(1, table_file.CHUNK_CHARACTERS // 8 // len(columns))
        for first in range(0, max(len(frame), 1), step):
            part = frame.slice(first, step)
            part = blank_to_null(part.select(read_spreadsheet_text(column) for column in part.get_columns()))
            blank = part.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
            numbers = np.arange(first, first + len(part), dtype=np.int64) + self.facts.first_row + 1
            read = self.size * (first + len(part)) // max(len(frame), 1)
            yield TableChunk(part.filter(~blank), numbers[~blank], (), int(blank.sum()), read)


def read_workbook(path: Path) -> SheetRows:
    """The first visible sheet with a table; raises ``InvalidInput`` for what is no workbook or is refused."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        rows, about = _run_reader(file.fileno(), path.name)
    return parse_sheet(rows, about, path.name, size)


def parse_sheet(rows: bytes, about: bytes, name: str, size: int) -> SheetRows:
    """The sheet from what the reader sent, of which nothing is believed; raises ``InvalidInput``."""
    try:
        found = json.loads(about)
        if "refused" in found:
            raise _refusal(str(found["refused"]), [int(number) for number in found.get("numbers", [])], name)
        facts = _parse_facts(found)
        cells = pl.read_csv(io.BytesIO(rows), has_header=False, infer_schema=False, separator=",", eol_char="\n")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, PolarsError):
        raise _refusal("damaged", [], name) from None
    return SheetRows(cells, facts, size)


def _parse_facts(found: dict[str, Any]) -> SheetFacts:
    if set(found) != {field.name for field in fields(SheetFacts)} or found["format"] not in FORMATS:
        raise ValueError
    long_numbers = tuple((_count(column), _count(count)) for column, count in found["long_numbers"])
    numbers = {name: _count(value) for name, value in found.items() if name not in ("format", "long_numbers")}
    return SheetFacts(format=found["format"], long_numbers=long_numbers, **numbers)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError
    return value


def _refusal(reason: str, numbers: list[int], name: str) -> InvalidInput:
    try:
        words, step = REFUSALS[reason]
        return InvalidInput(f"Expected {words.format(*numbers, name=name)}.", next_step=step)
    except (KeyError, IndexError):
        return _refusal("damaged", [], name)


def _run_reader(file: int, name: str) -> tuple[bytes, bytes]:
    """The rows and the JSON object that the reader sends; raises ``InvalidInput`` if it ends without, or takes long."""
    paths = json.dumps([os.path.abspath(one) for one in sys.path])
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _BEGIN, paths],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
    ) as process:
        try:
            if process.stdout is None:
                raise OSError
            return _take_frames(process.stdout.fileno())
        except (OSError, EOFError):
            raise _refusal("memory", [], name) from None
        finally:
            with contextlib.suppress(OSError):
                process.kill()


def _take_frames(pipe: int) -> tuple[bytes, bytes]:
    """The data of all ``R`` frames, and of the ``J`` frame; raises ``EOFError`` if something else comes."""
    until = time.monotonic() + _SECONDS
    rows = bytearray()
    while True:
        head = _take(pipe, 5, until)
        letter, length = head[:1], int.from_bytes(head[1:], "big")
        if letter == b"J" and length <= _MAX_ABOUT_BYTES:
            return bytes(rows), bytes(_take(pipe, length, until))
        if letter != b"R" or len(rows) + length > MAX_TEXT_BYTES:
            raise EOFError
        rows += _take(pipe, length, until)


def _take(pipe: int, length: int, until: float) -> bytearray:
    found = bytearray()
    while len(found) < length:
        left = until - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise EOFError
        piece = os.read(pipe, min(_PIECE, length - len(found)))
        if not piece:
            raise EOFError
        found += piece
    return found
