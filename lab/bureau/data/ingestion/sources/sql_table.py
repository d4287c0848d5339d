"""A table of a department's database as a source, read in chunks through SQLAlchemy.

The address holds no password: it is in the environment variable ``SHULAB_SOURCE_PASSWORD`` alone. Only ``SELECT`` of
named columns of one named table is sent, in a transaction that is rolled back. The rows are copied to a private folder
first, so that the database is done with soon, and the content's hash is known before a row is judged.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from sqlalchemy import Connection, Engine, column, create_engine, func, inspect, select, table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from lab.bureau.data.ingestion.mapping.document import Encoding, SourceTable
from lab.tables.table_file import TableChunk, blank_to_null
from lab.tables.table_header import check_table_header
from lab.terms.errors import InvalidInput, Unreachable
from lab.terms.progress import Progress

PASSWORD_VARIABLE: Final = "SHULAB_SOURCE_PASSWORD"
CHUNK_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table's rows in files of a private folder. Rows are numbered from 2, as in a file with a header."""

    name: str
    columns: tuple[str, ...]
    units: int
    parts: tuple[Path, ...]
    digest: str

    def sha256(self) -> str:
        """The hash of all cells."""
        return self.digest

    def open(self, encoding: Encoding | None) -> None:
        """Nothing: a database's text has no encoding of its own."""

    def chunks(self) -> Iterator[TableChunk]:
        """All rows in the order in which the database gave them."""
        row = 2
        for path in self.parts:
            frame = pl.read_parquet(path, memory_map=False)
            numbers = np.arange(row, row + frame.height, dtype=np.int64)
            row += frame.height
            yield TableChunk(blank_to_null(frame), numbers, bytes_read=row - 2)

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """Nothing."""
        return ()


def copy_sql_table(stated: SourceTable, wanted: Sequence[str], folder: Path, progress: Progress) -> CopiedTable:
    """Copy those columns of the stated table that are ``wanted`` into ``folder``; all its columns if one is missing, so
    that the check of the header can name the nearest.

    Raises ``InvalidInput`` for an address that cannot be or holds a password, or a table or driver that is not there;
    ``Unreachable`` if the database does not answer.
    """
    engine = _engine(stated.url)
    schema, _, name = stated.table.rpartition(".")
    try:
        with _readable(engine) as connection:
            found = _columns(connection, stated.table, name, schema or None)
            kept = [one for one in found if one in wanted]
            columns = tuple(kept if len(kept) == len(set(wanted)) else found)
            source = table(name, *(column(one) for one in columns), schema=schema or None)
            rows = int(connection.execute(select(func.count()).select_from(source)).scalar_one())
            digest, parts = hashlib.sha256(repr(columns).encode()), list[Path]()
            statement = select(*(source.c[one] for one in columns))
            result = connection.execution_options(yield_per=CHUNK_ROWS).execute(statement)
            with progress.stage("copy-table", rows) as stage:
                for part in result.partitions(CHUNK_ROWS):
                    frame = _as_text(part, columns)
                    _update(digest, frame)
                    parts.append(folder / f"{len(parts)}.table")
                    frame.write_parquet(parts[-1], compression="lz4", statistics=False)
                    parts[-1].chmod(0o600)
                    stage.advance(frame.height)
    finally:
        engine.dispose()
    return CopiedTable(stated.table, columns, rows, tuple(parts), digest.hexdigest())


def _columns(connection: Connection, shown: str, name: str, schema: str | None) -> list[str]:
    try:
        return check_table_header([str(one["name"]) for one in inspect(connection).get_columns(name, schema)], shown)
    except NoSuchTableError:
        raise InvalidInput(
            f"Expected the table {shown} in the department's database; there is none.",
            next_step="correct source.table in the mapping",
        ) from None


def _engine(text: str) -> Engine:
    try:
        return create_engine(_address(text), hide_parameters=True)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise InvalidInput(
            "Expected in source.url a database whose driver is installed; found another.",
            next_step="correct source.url, or install the driver that SQLAlchemy names for it",
        ) from None


def _address(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise InvalidInput(
            "Expected source.url as an SQLAlchemy address, DIALECT+DRIVER://USER@HOST/NAME; it is none.",
            next_step="correct source.url in the mapping",
        ) from None
    if url.password is not None or any("passw" in key.lower() for key in url.query):
        raise InvalidInput(
            "Expected source.url without a password; it holds one.",
            next_step=f"take it out of the file, have it changed at the database, and set {PASSWORD_VARIABLE}",
        )
    if url.get_backend_name() == "sqlite":
        return _sqlite_address(url)
    password = os.environ.get(PASSWORD_VARIABLE)
    return url if password is None else url.set(password=password)


def _sqlite_address(url: URL) -> URL:
    """The address of an existing file, opened for reading alone: SQLite would make a missing one."""
    path = Path(url.database or "")
    if not path.is_file():
        raise InvalidInput(
            "Expected in source.url the path of an SQLite file; there is none.",
            next_step="correct source.url in the mapping",
        )
    return url.set(database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})


@contextmanager
def _readable(engine: Engine) -> Iterator[Connection]:
    """A connection whose transaction is rolled back; what the database says is not shown, as it may quote rows."""
    try:
        with engine.connect() as connection:
            yield connection
            connection.rollback()
    except SQLAlchemyError as error:
        raise Unreachable(
            f"Expected rows from the department's database; it did not give them ({type(error).__name__}).",
            next_step=f"check source.url, source.table and {PASSWORD_VARIABLE}, then try again",
        ) from None


def _update(digest: Any, frame: pl.DataFrame) -> None:
    for cells in frame.get_columns():
        digest.update(cells.str.len_bytes().fill_null(2**32 - 1).to_numpy().tobytes())
        digest.update("".join(cells.drop_nulls().to_list()).encode())


def _as_text(rows: Sequence[Sequence[Any]], columns: tuple[str, ...]) -> pl.DataFrame:
    cells = zip(*rows, strict=True) if rows else ([] for _ in columns)
    return pl.DataFrame(
        [
            pl.Series(name, [_text(cell) for cell in part], dtype=pl.String)
            for name, part in zip(columns, cells, strict=True)
        ]
    )


def _text(cell: object) -> str | None:
    match cell:
        case None | str():
            return cell
        case bool():
            return "true" if cell else "false"
        case datetime.datetime():
            return cell.isoformat(sep=" ")
        case datetime.date():
            return cell.isoformat()
        case Decimal():
            return f"{cell:f}"
        case bytes() | bytearray() | memoryview():
            return bytes(cell).decode("utf-8", errors="replace")
        case _:
            return str(cell)
