"""Rows with digests in a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lab.disk.checked_rows import ROW_DIGEST_BYTES, is_intact_store, row_identity, seal_rows

SCHEMA = "shulab-evaluations/3"


def filled(path: Path) -> Path:
    names, values = ["a", "b", "c"], [bytes([number]) * 32 for number in range(3)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE store (schema TEXT, rows INTEGER)")
        connection.execute("CREATE TABLE evaluations (code TEXT, value BLOB)")
        connection.execute("INSERT INTO store VALUES (?, 3)", (SCHEMA,))
        sealed = seal_rows(row_identity(SCHEMA, path), names, values)
        assert all(len(value) == 32 + ROW_DIGEST_BYTES for value in sealed)
        connection.executemany("INSERT INTO evaluations VALUES (?, ?)", zip(names, sealed, strict=True))
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE evaluations SET code = 'd' WHERE code = 'a'",
        "UPDATE evaluations SET value = zeroblob(48) WHERE code = 'a'",
        "UPDATE evaluations SET value = NULL WHERE code = 'a'",
        "DELETE FROM evaluations WHERE code = 'a'",
        "DELETE FROM store",
    ],
)
def test_a_changed_exchanged_or_lost_row_is_found(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path / "one.sqlite")
    assert is_intact_store(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    assert not is_intact_store(path)


def test_a_store_under_another_name_and_a_file_that_is_none_are_found(tmp_path: Path) -> None:
    path = filled(tmp_path / "one.sqlite").rename(tmp_path / "two.sqlite")
    assert not is_intact_store(path)
    path.write_bytes(b"no database" * 1000)
    assert not is_intact_store(path) and not is_intact_store(tmp_path / "none.sqlite")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE anything (a)")
    assert is_intact_store(tmp_path / "other.db")
