"""Reads a list of enterprises that an exclusion or a withdrawal names: all of it, or not at all.

What such a list names must not be scored, or not any more. So a list is not read as a portfolio is, where a bad row is
set aside: every row must hold a code, and the column of codes must be certain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lab.tables.table_file import TextTable
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, normalise_identifiers, note_sentences
from lab.terms.names import IdKind

ID_COLUMNS = ("id", "code", "uscc", "统一社会信用代码", "社会信用代码", "信用代码")
"""The headers by which a code column is found if it is not named."""
_ROWS_NAMED = 10
"""Rows that a message names."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """``codes``: normalised, each once, in the order of the file. ``warnings``: sentences for the user."""

    name: str
    codes: tuple[str, ...]
    warnings: tuple[str, ...]


def read_code_list(
    path: str | Path, kind: IdKind, *, column: str | None = None, known: Collection[str] | None = None
) -> CodeList:
    """Read a list of codes completely.

    The column of codes is ``column`` if the list has it, or else the only one with a usual name, or else the only one.
    ``known``: all codes that the list can mean, None if nobody knows; then the column must have a usual name, because
    the first line might be a code. Rows without any text count as blank lines. A list without rows gives a warning.
    Raises what ``read_table`` raises, and ``InvalidInput`` if the column is not certain or a row holds no code.
    """
    path = Path(path)
    table = read_table(path)
    chosen = _code_column(table.frame.columns, path.name, column)
    if chosen != column and not usual_id_columns([chosen]):
        _check_header(chosen, path.name, kind, known)
    blank = table.frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    found = normalise_identifiers(table.frame[chosen].to_list(), kind)
    rows = zip(table.row_numbers.tolist(), found.reasons, blank, strict=True)
    _check_rows(path.name, table, [(row, reason) for row, reason, empty in rows if reason is not None and not empty])
    codes = tuple(dict.fromkeys(code for code in found.codes if code is not None))
    warnings = [f"{path.name}: {text}" for text in (*table.warnings, *note_sentences(found.notes))]
    if not codes:
        warnings.append(f"{path.name}: the list names no enterprise · 名单为空")
    return CodeList(path.name, codes, tuple(warnings))


def usual_id_columns(columns: Sequence[str]) -> list[str]:
    """The columns whose name says that they hold codes, the most usual name first; capital letters do not matter."""
    lowered = {column.lower(): column for column in reversed(columns)}
    return [lowered[name] for name in ID_COLUMNS if name in lowered]


def _code_column(columns: Sequence[str], name: str, wanted: str | None) -> str:
    if wanted is not None and wanted in columns:
        return wanted
    usual = usual_id_columns(columns)
    if len(usual) > 1:
        raise InvalidInput(
            f"Expected one column of codes in the list {name}; found {len(usual)} with a usual name for it.",
            next_step="keep only the column of codes in the list",
        )
    if not usual and len(columns) > 1:
        raise InvalidInput(
            f"Expected a column of codes in the list {name}; found {len(columns)} columns, and none has a usual name "
            "for it.",
            next_step="name the column of codes `code` in the first line of the list",
        )
    return usual[0] if usual else columns[0]


def _check_header(header: str, name: str, kind: IdKind, known: Collection[str] | None) -> None:
    """Raise ``InvalidInput`` if the first line may be a code, which would be lost as a column's name."""
    code = normalise_identifiers([header], kind).codes[0]
    if known is None or code in known or any(character.isdigit() for character in header):
        raise InvalidInput(
            f"Expected the name of a column in the first line of the list {name}; found what may be a code.",
            next_step="write `code` into a line of its own above the codes",
        )


def _check_rows(name: str, table: TextTable, unread: Sequence[tuple[int, RejectionReason]]) -> None:
    """Raise ``InvalidInput`` if a row of the list holds no code: how many, the first row numbers, and why."""
    faults = sorted([*unread, *((row.row, row.reason) for row in table.rejected)])
    if not faults:
        return
    rows = ", ".join(str(row) for row, _ in faults[:_ROWS_NAMED]) + (", …" if len(faults) > _ROWS_NAMED else "")
    found = {reason for _, reason in faults}
    raise InvalidInput(
        f"Expected a code in every row of the list {name}; found {len(faults):,} of {table.rows:,} rows without one "
        f"(row {rows}): {'; '.join(reason.en for reason in RejectionReason if reason in found)}.",
        next_step="correct these rows, with the column formatted as text if a spreadsheet is used, and run it again",
    )
