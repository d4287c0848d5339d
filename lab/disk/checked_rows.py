"""Rows of a private SQLite file that carry digests: the name and the value of a row, and the store they belong to.

A value is stored with the first ``ROW_DIGEST_BYTES`` of the SHA-256 of the store's identity, the row's name and the
value. So a row that was changed or exchanged is found when it is read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ROW_DIGEST_BYTES = 16
_BATCH = 65_536


def row_identity(schema: str, path: Path) -> bytes:
    """The identity of the store in a file."""
    return f"{schema} {path.name}\0".encode()


def seal_rows(identity: bytes, names: Sequence[str], values: Sequence[bytes]) -> list[bytes]:
    """The values as they are stored, each with its digest."""
    sha256 = hashlib.sha256
    return [
        value + sha256(identity + name.encode() + b"\0" + value).digest()[:ROW_DIGEST_BYTES]
        for name, value in zip(names, values, strict=True)
    ]


def is_intact_store(path: Path) -> bool:
    """Whether a SQLite file is whole, and, if its table ``store`` names a schema, each row of ``evaluations`` is as it
    was stored. Changes nothing."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return False
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return not {"store", "evaluations"} <= tables or _has_intact_rows(connection, path)
    except (sqlite3.Error, TypeError, ValueError, AttributeError):
        return False


def _has_intact_rows(connection: sqlite3.Connection, path: Path) -> bool:
    ((schema, rows),) = connection.execute("SELECT schema, rows FROM store").fetchmany(1)
    identity, count = row_identity(str(schema), path), 0
    cursor = connection.execute("SELECT code, value FROM evaluations")
    while found := cursor.fetchmany(_BATCH):
        values = [value for _, value in found]
        if seal_rows(identity, [name for name, _ in found], [value[:-ROW_DIGEST_BYTES] for value in values]) != values:
            return False
        count += len(found)
    return bool(count == rows)
