"""DuckDB connections that see nothing but the files they were opened for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lab.terms.errors import MachineFault

_NEVER = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a connection may use: MiB of memory, beyond which it works on disk, and threads. One thread also fixes the
    order in which numbers are added up, and so their last digit."""

    memory_mib: int = 1024
    threads: int = 2


@contextmanager
def confined_connection(
    scratch: Path, files: Sequence[Path], limits: QueryLimits
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty database in memory that may read ``files``, and read and write in ``scratch`` (also what
    does not fit in memory); nothing else of this machine, and no extension. Its settings are locked.

    Raises ``MachineFault`` where memory and disk are not enough, also in the block.
    """
    connection = _connect(limits)
    try:
        connection.execute("SET temp_directory = ?", [str(scratch)])
        connection.execute("SET allowed_directories = ?", [[f"{scratch}/"]])
        connection.execute("SET allowed_paths = ?", [[str(path) for path in files]])
        _lock(connection)
        yield connection
    except duckdb.Error as error:
        raise explain_failure(error, limits) or error from None
    finally:
        connection.close()


class LastingConnection:
    """A connection that stays open for many small questions about the files of some folders, and does not work on disk
    beyond its memory. To open one takes longer than a small question. Safe to use from several threads."""

    def __init__(self, folders: Sequence[Path], limits: QueryLimits, *, keep_footers: bool = False) -> None:
        """``keep_footers``: those of Parquet files, which are not changed under their names."""
        self._folders, self._limits, self._keep_footers = folders, limits, keep_footers
        self._guard = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own; raises what ``confined_connection`` raises."""
        with self._guard:
            if self._connection is None:
                self._connection = self._open()
            cursor = self._connection.cursor()
        try:
            yield cursor
        except duckdb.Error as error:
            raise explain_failure(error, self._limits) or error from None
        finally:
            cursor.close()

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = _connect(self._limits)
        connection.execute("SET temp_directory = ''")
        connection.execute("SET parquet_metadata_cache = ?", [self._keep_footers])
        connection.execute("SET allowed_directories = ?", [[f"{folder}/" for folder in self._folders]])
        _lock(connection)
        return connection


def explain_failure(error: duckdb.Error, limits: QueryLimits) -> MachineFault | None:
    """The error for a machine that has too little memory or disk; None for a fault of the question itself."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return MachineFault(
            f"Expected to work within {limits.memory_mib} MiB of memory and the room on the disk; it was not enough.",
            next_step="make room on the disk of the bureau's folder, or stop other programs; nothing was changed",
        )
    if isinstance(error, duckdb.IOException):
        # The text may hold a path or a value. What is missing or damaged was found before, by its hash.
        return refused_by_disk()
    return None


def refused_by_disk() -> MachineFault:
    """The error for a disk that is full, or does not let us read or write."""
    return MachineFault(
        "Expected to read and write in the bureau's folder; the system refused.",
        next_step="check the room on its disk and its owner; nothing was changed",
    )


def _connect(limits: QueryLimits) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        **_NEVER,
        "memory_limit": f"{limits.memory_mib}MiB",
        "threads": limits.threads,
    }
    return duckdb.connect(":memory:", config=settings)


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET enable_external_access = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET lock_configuration = true")
