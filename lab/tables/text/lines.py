"""Lines of a text file, of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from lab.tables import table_file
from lab.tables.table_file import SAVE_AS_CSV
from lab.terms.errors import InvalidInput


def open_text(path: Path, encoding: str) -> TextIO:
    """The file as text without its byte-order mark; every kind of line end is read as a line feed."""
    return path.open(encoding=encoding)


def iterate_lines(file: TextIO, name: str) -> Iterator[str]:
    """Lines with their ends; raises ``InvalidInput`` for one that is too long: then the file has no lines."""
    most = table_file.CHUNK_CHARACTERS
    while line := file.readline(most):
        if len(line) == most:
            raise no_lines(name)
        yield line


def no_lines(name: str) -> InvalidInput:
    """The error for a file with a line that is too long to be a row."""
    return InvalidInput(
        f"Expected a table in lines; {name} has one of over {table_file.CHUNK_CHARACTERS:,} characters.",
        next_step=SAVE_AS_CSV,
    )


def unclosed_quote(name: str, line: int) -> InvalidInput:
    """The error for a quoted field that is never closed."""
    return InvalidInput(
        f"Expected quoted fields to be closed; in {name} one near line {line} is not.",
        next_step='close the quotation mark, or write a quotation mark inside a field twice ("")',
    )
