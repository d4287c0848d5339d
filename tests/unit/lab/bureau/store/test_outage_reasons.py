"""A database that cannot be used is described by its reason, and the driver's text is not repeated."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from lab.bureau.store import migrate, open_database
from lab.bureau.store.outage_reasons import describe_database_error
from lab.terms.errors import InvalidInput, Unreachable

CANARY = "canary-8c1f"


def test_a_damaged_file_is_not_an_outage(tmp_path: Path) -> None:
    (tmp_path / "bureau.db").write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(InvalidInput, match="damaged, or of another kind") as raised:
        open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    assert "lab bureau restore" in raised.value.next_step  # an older copy would be a ledger that was rewritten


def test_a_folder_in_its_place_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path}")


def test_a_file_that_cannot_be_changed_is_named_as_such(tmp_path: Path) -> None:
    store = open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # on the pool's one connection
    with pytest.raises(Unreachable, match="read-only"):
        migrate(store.engine)
    store.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("connection to server at 10.0.0.9 failed: Connection refused", "nothing listens"),
        ('FATAL: password authentication failed for user "canary-8c1f"', "user or the password"),
        ('FATAL: database "canary-8c1f" does not exist', "no such database"),
        ("FATAL: sorry, too many clients already", "no free connection"),
        ("[Errno -2] Name or service not known", "host is not known"),
        ("could not extend file: No space left on device", "disk is full"),
        ("canary-8c1f", "does not answer."),
    ],
)
def test_postgresqls_reasons_are_known_and_its_texts_not_shown(text: str, reason: str) -> None:
    found = describe_database_error(OperationalError("SELECT 1", {}, Exception(text)), "postgresql")
    assert reason in found.detail
    assert CANARY not in str(found) and "10.0.0.9" not in str(found)


def test_a_full_disk_is_said_to_be_one() -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    assert "disk is full" in describe_database_error(OperationalError("", {}, error), "sqlite").detail
