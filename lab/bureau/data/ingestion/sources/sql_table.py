"""A table of a department's database as a source, read in chunks through SQLAlchemy.

The address holds no password: it is in the environment variable ``SHULAB_SOURCE_PASSWORD`` alone. Only ``SELECT`` of
named columns of one named table is sent, in a transaction that is rolled back.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np
import polars as pl
from sqlalchemy import Connection, Engine, column, create_engine, func, inspect, select, table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from lab.bureau.data.ingestion.mapping.document import SourceTable
from lab.tables.table_file import TableChunk, blank_to_null
from lab.tables.table_header import check_table_header
from lab.terms.errors import InvalidInput, Unreachable

PASSWORD_VARIABLE: Final = "SHULAB_SOURCE_PASSWORD"  # noqa: S105 the variable's name
CHUNK_ROWS: Final = 50_000


@dataclass(slots=True)
class SqlTableSource:
    """One table. Rows are numbered from 2, as in a file with a header."""

    engine: Engine
    schema: str | None
    table: str
    columns: tuple[str, ...]
    units: int
    _digest: Any = field(default_factory=hashlib.sha256)
    _finished: bool = False

    @property
    def name(self) -> str:
        """The table's name, with its schema."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    def sha256(self) -> str | None:
        """The hash of all cells as they were read; None before that."""
        return self._digest.hexdigest() if self._finished else None

    def chunks(self) -> Iterator[TableChunk]:
        """All rows; raises ``Unreachable`` if the database stops answering."""
        self._digest, self._finished = hashlib.sha256(repr(self.columns).encode()), False
        row = 2
        with _readable(self.engine) as connection:
            found = connection.execution_options(yield_per=CHUNK_ROWS).execute(self._statement())
            for part in found.partitions(CHUNK_ROWS):
                frame = _as_text(part, self.columns)
                self._digest.update(frame.hash_rows(seed=0).to_numpy().tobytes())
                for name in self.columns:
                    self._digest.update("\x1f".join(frame[name].fill_null("\x00").to_list()).encode())
                numbers = np.arange(row, row + frame.height, dtype=np.int64)
                row += frame.height
                yield TableChunk(blank_to_null(frame), numbers, bytes_read=row - 2)
        self._finished = True

    def warnings(self, blank: int, set_aside: Mapping[str, int]) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def _statement(self) -> Any:
        return select(*(column(name) for name in self.columns)).select_from(
            table(self.table, *(column(name) for name in self.columns), schema=self.schema)
        )


def open_sql_source(stated: SourceTable, wanted: Sequence[str]) -> SqlTableSource:
    """The table that a mapping states, with those of its columns that are ``wanted`` (all others are not read).

    Raises ``InvalidInput`` for an address that cannot be or holds a password, or a table or driver that is not there,
    ``Unreachable`` if the database does not answer.
    """
    schema, _, name = stated.table.rpartition(".")
    try:
        engine = create_engine(_address(stated.url), hide_parameters=True)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise InvalidInput(
            "Expected an address of a database whose driver is installed; found another.",
            next_step="correct source.url, or install the driver that SQLAlchemy names for it",
        ) from None
    with _readable(engine) as connection:
        try:
            found = [str(one["name"]) for one in inspect(connection).get_columns(name, schema=schema or None)]
        except NoSuchTableError:
            raise InvalidInput(
                f"Expected the table {stated.table} in the database; there is none.", next_step="correct source.table"
            ) from None
        columns = tuple(check_table_header(found, stated.table))
        kept = tuple(one for one in columns if one in set(wanted)) or columns
        rows = connection.execute(select(func.count()).select_from(table(name, schema=schema or None))).scalar_one()
    return SqlTableSource(engine, schema or None, name, kept if len(kept) == len(set(wanted)) else columns, int(rows))


def _address(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise InvalidInput(
            "Expected source.url as an SQLAlchemy address, DIALECT+DRIVER://USER@HOST/NAME; it is none.",
            next_step="correct source.url",
        ) from None
    if url.password is not None or any("passw" in key.lower() for key in url.query):
        raise InvalidInput(
            "Expected source.url without a password; it holds one.",
            next_step=f"take it out of the file, change it at the database, and set {PASSWORD_VARIABLE}",
        )
    password = os.environ.get(PASSWORD_VARIABLE)
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database.startswith(":") or "?" in url.database:
            raise InvalidInput("Expected a file in source.url; found none.", next_step="correct source.url")
        database = url.database if url.database.startswith("file:") else f"file:{url.database}"
        return url.set(database=database, query={"mode": "ro", "uri": "true"})
    return url if password is None else url.set(password=password)


@contextmanager
def _readable(engine: Engine) -> Iterator[Connection]:
    """A connection whose transaction is rolled back; what the database says is not shown, as it may quote rows."""
    try:
        with engine.connect() as connection:
            yield connection
            connection.rollback()
    except NoSuchTableError:
        raise
    except SQLAlchemyError as error:
        raise Unreachable(
            f"Expected rows from the department's database; it did not give them ({type(error).__name__}).",
            next_step=f"check source.url, source.table and {PASSWORD_VARIABLE}, then try again",
        ) from None


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
