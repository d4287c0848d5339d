"""The DuckDB connection that parses and binds SQL of files before any of it may run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def closed_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory that can reach no file, no network and no extension; what is made in it is undone.

    There is one of them, as opening one takes longer than parsing a hundred SELECTs.
    """
    with _ONE_AT_A_TIME:
        connection = _connection()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MiB"})
    connection.execute("SET autoinstall_known_extensions=false")
    connection.execute("SET autoload_known_extensions=false")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection
