"""The files of rows set aside: the delivery's own columns, the row's number and the reason.

They are private files in the bureau's folder. A person corrects one and imports it alone, with the same mapping.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import polars as pl

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.ingestion.reasons import describe_reasons
from lab.bureau.data.ingestion.row_reading import REASON, ROW
from lab.disk.private_files import move_private, private_opener, replace_private
from lab.tables.spreadsheet_csv import write_csv

FOLDER: Final = "deliveries/set-aside"


class SetAsideFile:
    """Writes rows to a draft beside the file ``name``, which ``finish`` gives its name; without rows there is no file.

    Held by one import at a time, which also removes the drafts of those that were killed.
    """

    def __init__(self, home: BureauHome, name: str) -> None:
        folder = home.path(FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
        self.path, self._draft = set_aside_path(home, name), folder / f".{name}.partial"
        self._file: IO[bytes] | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            self._file = open(self._draft, "xb", opener=private_opener)  # noqa: SIM115 closed at the block's end
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


def set_aside_path(home: BureauHome, name: str) -> Path:
    """The file of the rows set aside of a delivery."""
    return home.path(f"{FOLDER}/{name}.csv")


def unmapped_path(home: BureauHome, name: str) -> Path:
    """The file of the legacy codes that a delivery has and the table lacks."""
    return home.path(f"{FOLDER}/{name}.legacy-codes.csv")


def save_unmapped(home: BureauHome, name: str, codes: pl.Series) -> Path | None:
    """A file of the legacy codes that the table lacks, to be completed and imported with ``lab bureau legacy-codes
    import``; None for none."""
    path = unmapped_path(home, name)
    if codes.is_empty():
        path.unlink(missing_ok=True)
        return None
    target = io.BytesIO()
    write_csv(pl.DataFrame({"legacy": codes, "enterprise": [""] * codes.len()}), target)
    replace_private(path, target.getvalue())
    return path


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name
