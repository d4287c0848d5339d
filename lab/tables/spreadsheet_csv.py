"""CSV that people open in a spreadsheet: no cell becomes a formula when it is written, and nothing is lost when it is
read.

A spreadsheet computes a cell that begins with one of ``= + - @``, tab, carriage return or line feed (OWASP, "CSV
Injection"), also in the full-width forms of Chinese keyboards. It may also split cells at another separator than the
file was written with. So an apostrophe, the spreadsheet's own mark of text, is put before such a beginning: at the
start of a cell and after each separator, quotation mark and line end inside it. A negative number stays a number.

``unescape_formulas`` removes the apostrophe. For any text, ``unescape_formulas(escape_formulas(text)) == text``. In a
file from elsewhere, a cell that begins with an apostrophe and such a character or a digit is read without the
apostrophe, as a spreadsheet shows it. So an apostrophe is also put before text that begins with one and a digit.

``read_spreadsheet_text`` is applied to every cell of a text file and workbook. It also reads ``="0123"``, with which
exports keep a code from becoming a number, as ``0123``. No cell that we wrote begins so.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

import polars as pl

from lab.terms.text.text_formula import TEXT_FORMULA, without_text_formula

_FORMULA_STARTS: Final = "=+\\-@＝＋－＠﹦﹢﹣﹫"
_SEPARATORS: Final = ',;|"\\t\\r\\n，；｜＂'
_QUOTES: Final = "'＇"
_SKIPPED: Final = (
    r"\x00-\x08\x0b\x0c\x0e-\x20\x{7f}-\x{a0}\x{ad}"
    r"\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}"
)
"""Characters that a CSV reader may skip or strip: spaces, controls, invisible marks."""
# The start of a cell, the characters that a spreadsheet skips, and the character that makes it compute.
_START: Final = rf"(^|[{_SEPARATORS}])([{_QUOTES}]*[{_SKIPPED}]*[{_FORMULA_STARTS}])"
_CONTROL: Final = rf"^([{_QUOTES}]*[{_SKIPPED}]*[\t\r\n])"
_GUARDED_START: Final = rf"(^|[{_SEPARATORS}])'([{_QUOTES}]*[{_SKIPPED}]*[{_FORMULA_STARTS}])"
_GUARDED_CONTROL: Final = rf"^'([{_QUOTES}]*[{_SKIPPED}]*[\t\r\n])"
_GUARDED_DIGIT: Final = r"^'('*[0-9])"
_DIGIT: Final = r"^('+[0-9])"
_NUMBER: Final = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_LIKELY: Final = rf"[{_FORMULA_STARTS}]|^[{_QUOTES}]*[{_SKIPPED}]*[\t\r\n]|{_DIGIT}"


def escape_formulas(column: pl.Series) -> pl.Series:
    """A column of text that is safe in a spreadsheet; columns of other types are returned unchanged."""
    if column.dtype != pl.String or not column.str.contains(_LIKELY).any():
        return column
    text = pl.col("text")
    safe = text.str.replace_all(_START, "$1'$2").str.replace(_CONTROL, "'$1").str.replace(_DIGIT, "'$1")
    found = pl.when(text.str.contains(_NUMBER)).then(text).otherwise(safe)
    return column.to_frame("text").select(found)["text"].alias(column.name)


def unescape_formulas(column: pl.Series) -> pl.Series:
    """A column of text as it was before ``escape_formulas``."""
    if not column.str.contains("'", literal=True).any():
        return column
    safe = column.str.replace(_GUARDED_DIGIT, "$1").str.replace(_GUARDED_CONTROL, "$1")
    return safe.str.replace_all(_GUARDED_START, "$1$2").alias(column.name)


def read_spreadsheet_text(column: pl.Series) -> pl.Series:
    """A column of text as a spreadsheet shows it: without apostrophes of text, and ``="0123"`` as ``0123``."""
    if not column.str.contains('="', literal=True).any():
        return unescape_formulas(column)
    text, plain = pl.col("text"), pl.col("plain")
    frame = pl.DataFrame({"text": column, "plain": unescape_formulas(column)})
    inside = pl.when(text.str.contains(TEXT_FORMULA)).then(without_text_formula(text)).otherwise(plain)
    return frame.select(inside.alias(column.name))[column.name]


def unescape_names(names: list[str]) -> list[str]:
    """The column names of a header as they were before ``escape_formulas``, or as a spreadsheet shows them."""
    if not any("'" in name or '="' in name for name in names):
        return names
    return [str(name) for name in read_spreadsheet_text(pl.Series("name", names, dtype=pl.String))]


def write_csv(
    table: pl.DataFrame,
    file: IO[bytes],
    *,
    header: bool = True,
    mark: bool = True,
    separator: str = ",",
    date_format: str | None = None,
) -> None:
    """Write a table for people, or with ``header`` False its next rows.

    ``mark``: begin with a byte-order mark, so that a spreadsheet recognises UTF-8 and shows Chinese correctly.
    ``date_format``: of columns of dates, as for ``strftime``.
    """
    safe = pl.DataFrame([escape_formulas(column) for column in table.get_columns()])
    names = escape_formulas(pl.Series("name", table.columns, dtype=pl.String)).to_list()
    safe.rename(dict(zip(table.columns, names, strict=True))).write_csv(
        file,
        include_bom=header and mark,
        include_header=header,
        separator=separator,
        date_format=date_format,
    )


def save_csv(table: pl.DataFrame, path: Path) -> None:
    """Write a table to a file that commands read and people may open."""
    with path.open("wb") as file:
        write_csv(table, file, mark=False)
