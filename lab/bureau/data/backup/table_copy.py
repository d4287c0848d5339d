"""Copying every row of one database of the bureau into another, empty one, of SQLite or PostgreSQL either way.

A backup holds the database as SQLite, whatever the bureau runs on: so there is one form to check, a backup of either
can be restored to either, and no tool of the server's own version is needed. The source is read in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, MetaData, Table, delete, func, insert, inspect, select, text

from lab.terms.errors import Conflict, InvalidInput
from lab.terms.progress import SILENT, Progress

_ROWS = 5000
_VERSION_TABLE = "alembic_version"


def check_no_tables(engine: Engine) -> None:
    """Raise ``Conflict`` unless the database has no tables."""
    with engine.connect() as connection:
        if inspect(connection).get_table_names():
            raise Conflict(
                f"Expected an empty {engine.dialect.name} database to restore into; this one has tables.",
                next_step="make a new database, and name it with --database-url; a restore never writes over anything",
            )


def copy_rows(source: Connection, target: Connection, progress: Progress = SILENT) -> int:
    """Copy all rows; returns their number. The target has the same tables, and none but the rows that migrations
    write, which are replaced.

    Raises ``InvalidInput`` if the tables differ. The caller commits.
    """
    read, write = _tables(source), _tables(target)
    if {name: set(table.columns.keys()) for name, table in read.items()} != {
        name: set(table.columns.keys()) for name, table in write.items()
    }:
        raise InvalidInput(
            "Expected the same tables in both databases; they differ.",
            next_step="restore with the version of the program that made the backup, and upgrade afterwards",
        )
    total = sum(source.scalar(select(func.count()).select_from(table)) or 0 for table in read.values())
    for table in reversed(write.values()):
        if target.scalar(select(func.count()).select_from(table)):  # a trigger guards the ledger, empty or not
            target.execute(delete(table))
    with progress.stage("copy-database", total) as stage:
        for name, table in read.items():
            _copy_table(source, target, table, write[name], stage.advance)
    if target.dialect.name == "postgresql":
        for table in write.values():
            _advance_sequence(target, table)
    return total


def _tables(connection: Connection) -> dict[str, Table]:
    """The tables as they are in the database, those first that others refer to."""
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables if table.name != _VERSION_TABLE}


def _copy_table(
    source: Connection, target: Connection, read: Table, write: Table, advance: Callable[[int], None]
) -> None:
    aware = target.dialect.name == "postgresql"
    result = source.execute(select(read), execution_options={"yield_per": _ROWS})
    for page in result.mappings().partitions(_ROWS):
        target.execute(insert(write), [{name: _time(value, aware) for name, value in row.items()} for row in page])
        advance(len(page))


def _time(value: Any, aware: bool) -> Any:
    """A time in the target's form: SQLite has times in UTC without saying so (``UtcDateTime``)."""
    if not isinstance(value, datetime):
        return value
    utc = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return utc if aware else utc.replace(tzinfo=None)


def _advance_sequence(target: Connection, table: Table) -> None:
    """The next number that PostgreSQL gives a row comes after those that were copied."""
    for column in table.primary_key.columns:
        if not isinstance(column.type, Integer):
            continue
        sequence = target.scalar(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        )
        if sequence is not None:
            highest = target.scalar(select(func.max(column)))
            target.execute(
                text("SELECT setval(:sequence, :value, :used)"),
                {"sequence": sequence, "value": highest or 1, "used": highest is not None},
            )
