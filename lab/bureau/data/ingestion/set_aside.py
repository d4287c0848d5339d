"""The file of rows set aside: the delivery's own columns, the row's number and the reason.

It is a private file in the bureau's folder. A person corrects it and imports it alone, with the same mapping.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import polars as pl

from lab.bureau.data.ingestion.reasons import describe_reasons
from lab.bureau.data.ingestion.row_reading import REASON, ROW
from lab.disk.private_files import move_private, private_opener
from lab.tables.spreadsheet_csv import write_csv


class SetAsideFile:
    """Writes rows to a draft beside ``path``, which ``finish`` gives its name; without rows there is no file."""

    def __init__(self, path: Path) -> None:
        self.path, self._draft = path, path.with_name(f".{path.name}.partial")
        self._file: IO[bytes] | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        self._draft.unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        self._draft.unlink(missing_ok=True)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows with ROW, REASON (joined) and the delivery's columns, in order."""
        if rows.is_empty():
            return
        rows = rows.with_columns(describe_reasons(rows[REASON]).alias(REASON))
        names = {ROW: _free_name("row", rows.columns), REASON: _free_name("reason", rows.columns)}
        others = [name for name in rows.columns if name not in names]
        table = rows.select(*others, ROW, REASON).rename(names)
        if self._file is None:
            self._file = open(self._draft, "xb", opener=private_opener)
        write_csv(table, self._file, header=self.rows == 0)
        self.rows += rows.height

    def finish(self) -> Path | None:
        """Give the file its name; None without rows, and an earlier file of the same delivery is removed then."""
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        move_private(self._draft, self.path)
        return self.path


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name
