"""CSV that people open in a spreadsheet: written so that no cell of it becomes a formula, read so that nothing is lost.

A spreadsheet computes a cell that begins with one of ``= + - @``, tab, carriage return or line feed (OWASP, "CSV
Injection"), also in full width as Chinese keyboards type them, and may cut cells at another separator than the file
was written with. So an apostrophe, a spreadsheet's own mark of text, is put before such a beginning, at the start of a
cell and after each separator, quotation mark and line end in it. A number below zero stays a number.

``unescape_formulas`` takes the apostrophe away again; ``lab.tables.table_reader`` reads every CSV by it. For any text,
``unguarded(guarded(text)) == text``. What begins with an apostrophe and such a character in a file of somebody else's
is read without that apostrophe, as a spreadsheet shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

import polars as pl

_BEGINS: Final = "=+\\-@＝＋－＠﹦﹢﹣﹫"
_CUTS: Final = ',;|"\\t\\r\\n，；｜＂'
_QUOTES: Final = "'＇"
_PASSED: Final = (
    r"\x00-\x08\x0b\x0c\x0e-\x20\x{7f}-\x{a0}\x{ad}"
    r"\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}"
)
"""What a reader of CSV may pass over or take away: spaces, controls, marks that are not drawn."""
# The start of a cell, what a spreadsheet passes over, and what it computes.
_START: Final = rf"(^|[{_CUTS}])([{_QUOTES}]*[{_PASSED}]*[{_BEGINS}])"
_CONTROL: Final = rf"^([{_QUOTES}]*[{_PASSED}]*[\t\r\n])"
_GUARDED_START: Final = rf"(^|[{_CUTS}])'([{_QUOTES}]*[{_PASSED}]*[{_BEGINS}])"
_GUARDED_CONTROL: Final = rf"^'([{_QUOTES}]*[{_PASSED}]*[\t\r\n])"
_NUMBER: Final = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_LIKELY: Final = rf"[{_BEGINS}]|^[{_QUOTES}]*[{_PASSED}]*[\t\r\n]"


def escape_formulas(column: pl.Series) -> pl.Series:
    """A column of text as a spreadsheet may open it; other columns are returned as they are."""
    if column.dtype != pl.String or not column.str.contains(_LIKELY).any():
        return column
    text = pl.col("text")
    safe = text.str.replace_all(_START, "$1'$2").str.replace(_CONTROL, "'$1")
    found = pl.when(text.str.contains(_NUMBER)).then(text).otherwise(safe)
    return column.to_frame("text").select(found)["text"].alias(column.name)


def unescape_formulas(column: pl.Series) -> pl.Series:
    """A column of text as it was before ``escape_formulas``."""
    if not column.str.contains("'", literal=True).any():
        return column
    safe = column.str.replace(_GUARDED_CONTROL, "$1")
    return safe.str.replace_all(_GUARDED_START, "$1$2").alias(column.name)


def unescape_names(names: list[str]) -> list[str]:
    """A header's names as they were before they were written."""
    if not any("'" in name for name in names):
        return names
    return [str(name) for name in unescape_formulas(pl.Series("name", names, dtype=pl.String))]


def write_csv(table: pl.DataFrame, file: IO[bytes], *, header: bool = True, mark: bool = True) -> None:
    """Write a table, or the next rows of one (``header`` False), for people.

    ``mark``: with the byte-order mark by which a spreadsheet knows UTF-8 and reads Chinese as it is.
    """
    safe = pl.DataFrame([escape_formulas(column) for column in table.get_columns()])
    names = escape_formulas(pl.Series("name", table.columns, dtype=pl.String)).to_list()
    safe.rename(dict(zip(table.columns, names, strict=True))).write_csv(
        file, include_bom=header and mark, include_header=header
    )


def save_csv(table: pl.DataFrame, path: Path) -> None:
    """Write a table to a file that commands read and people may open."""
    with path.open("wb") as file:
        write_csv(table, file, mark=False)
