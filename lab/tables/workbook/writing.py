"""Writes a table as an Excel workbook: numbers as numbers, everything else as text, never a formula or a link.

Codes keep their zeros in front, because the workbook says that the cell is text. Rows go through a private folder on
disk, beside the file that is to be written, so that a large table does not fill the memory.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from lab.terms.errors import InvalidInput

MAX_ROWS: Final = 1_048_575
"""Rows of a worksheet below its header (ECMA-376, and Excel's own limit of 2^20)."""
_MAX_CHARACTERS: Final = 32_767
"""Characters in a cell of Excel."""
_MAX_WHOLE: Final = 10**15
"""Whole numbers from here are written as text: a spreadsheet keeps 15 digits."""
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


def check_rows_fit(rows: int) -> None:
    """Raise ``InvalidInput`` if a worksheet does not hold so many rows."""
    if rows > MAX_ROWS:
        raise InvalidInput(
            f"Expected at most {MAX_ROWS:,} rows for an Excel workbook; found {rows:,}.",
            next_step="write .parquet or .csv instead",
        )


def workbook_bytes(table: pl.DataFrame, folder: Path, *, sheet: str = "results") -> bytes:
    """The table as the bytes of an ``.xlsx`` file, one worksheet, its header frozen.

    A folder of mode 0700 in ``folder`` holds the rows meanwhile. Raises ``InvalidInput`` for more rows, or longer text,
    than a worksheet holds, ``OSError`` when the disk refuses.
    """
    return workbook_of_sheets({sheet: table}, folder)


def workbook_of_sheets(tables: Mapping[str, pl.DataFrame], folder: Path) -> bytes:
    """As ``workbook_bytes``, with a worksheet for each table, named by its key (at most 31 characters)."""
    import xlsxwriter  # loaded only where a workbook is written

    for table in tables.values():
        check_rows_fit(len(table))
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".workbook-") as private:
        book = xlsxwriter.Workbook(buffer, _OPTIONS | {"tmpdir": private})
        try:
            for sheet, table in tables.items():
                _fill(book, table, sheet)
        finally:
            _close(book)
    return buffer.getvalue()


def _fill(book: Any, table: pl.DataFrame, sheet: str) -> None:
    text = book.add_format({"num_format": "@"})
    head = book.add_format({"bold": True, "num_format": "@"})
    page = book.add_worksheet(sheet)
    page.freeze_panes(1, 0)
    for place, name in enumerate(table.columns):
        _write_text(page, 0, place, name, head)
    for row, values in enumerate(table.iter_rows(), start=1):
        for place, value in enumerate(values):
            _write_cell(page, row, place, value, text)


def _close(book: Any) -> None:
    """Finish the workbook; raises ``OSError`` as the system did."""
    from xlsxwriter.exceptions import FileCreateError

    try:
        book.close()
    except FileCreateError as error:
        raise OSError(*getattr(error.__context__, "args", ())) from None


def _write_cell(page: Any, row: int, place: int, value: object, text: Any) -> None:
    if value is None or value != value:  # NaN
        return
    if isinstance(value, bool):
        page.write_boolean(row, place, value)
    elif isinstance(value, (int, float)) and abs(value) < _MAX_WHOLE:
        page.write_number(row, place, value)
    else:
        _write_text(page, row, place, str(value), text)


def _write_text(page: Any, row: int, place: int, value: str, style: Any) -> None:
    if len(value) > _MAX_CHARACTERS or page.write_string(row, place, value, style) != 0:
        raise InvalidInput(
            f"Expected at most {_MAX_CHARACTERS:,} characters in each cell of an Excel workbook; found more.",
            next_step="write .parquet or .csv instead",
        )
