"""Opening the database: SQLite made safe for several writers, or PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from lab.bureau.store.outage_reasons import describe_database_error, lost_database
from lab.disk.free_space import find_no_room
from lab.terms.errors import InvalidInput, Unreachable

# How long a writer on SQLite waits for another one: longer than any transaction here takes.
SQLITE_BUSY_MS = 30_000
SQLITE_CACHE_KIB = 32 * 1024
"""The page cache of a connection. Charging a batch uses a page for each enterprise in two indexes: with SQLite's
default of 2 MiB they are written and read again within the transaction, which takes twice the time."""
_READ = "shulab_read"
# A connection for each of the service's 40 threads, so that none waits for another.
_POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 30}


class Database:
    """A database of the bureau. ``begin`` opens a transaction for changes, ``begin_read`` one for reading."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sign: Callable[[bytes], bytes] | None = None
        """Signs with the bureau's Ed25519 key; without it a transaction can write no ledger entry."""
        self.bureau_key = ""
        """The bureau's public key, hexadecimal; a contract that names another key is not a contract of this bureau."""
        self._reader = engine.execution_options(**{_READ: True})

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that may write: commits when the block ends, rolls back when it raises."""
        with _outages(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.info.update(sign=self.sign, bureau_key=self.bureau_key)
            yield session

    @contextmanager
    def begin_read(self) -> Iterator[Session]:
        """A transaction that only reads, so that it never waits for a writer; always rolled back."""
        with _outages(), Session(self._reader, expire_on_commit=False) as session:
            session.info["bureau_key"] = self.bureau_key
            yield session

    def is_reachable(self) -> bool:
        """Whether the database answers now."""
        try:
            with self.begin_read() as session:
                session.execute(text("SELECT 1"))
        except Unreachable:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str, *, existing: bool = False) -> Database:
    """Open the database at ``url`` (``sqlite:///FILE`` or ``postgresql+psycopg://...``).

    ``existing``: an SQLite file that is missing is not made anew; that raises ``NotFound``.

    Raises ``InvalidInput`` for other URLs and for a damaged file, and ``Unreachable`` with the reason when the database
    does not answer. Runs no migration.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput(
            "Expected a database URL; found something else.",
            next_step="write sqlite:///FILE or postgresql+psycopg://...",
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True, **_POOL)
    elif backend == "sqlite":
        if existing and parsed.database and not Path(parsed.database).exists():
            raise lost_database()
        if parsed.database:
            # SQLite would make the file readable by everybody; its log files take the mode of the file.
            with contextlib.suppress(OSError):
                Path(parsed.database).touch(mode=0o600, exist_ok=True)
        engine = create_engine(parsed, hide_parameters=True, connect_args={"check_same_thread": False}, **_POOL)
        _prepare_sqlite(engine)
    else:
        raise InvalidInput(
            f"Expected an SQLite or PostgreSQL database; found {backend}.", next_step="use one of the two"
        )
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        engine.dispose()
        raise describe_database_error(error, backend) from None
    return Database(engine)


@contextmanager
def _outages() -> Iterator[None]:
    """Raise ``Unreachable`` for a database that is down or locked for too long, ``NoRoom`` for one that is full."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:  # kept as the cause, for the log alone
        raise find_no_room(error) or Unreachable(
            "The bureau's database does not answer.", next_step="try again in a minute; its operator finds the reason"
        ) from error


def _prepare_sqlite(engine: Engine) -> None:
    """Write-ahead log, foreign keys and BEGIN IMMEDIATE.

    Python's driver opens transactions late and by itself; a writer that begins by reading could then fail midway with
    "database is locked". So the driver opens none, and a writing transaction takes the write lock at once.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READ, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
