"""Checking all that is stored: damaged and missing files, left-overs, and a manifest that the ledger contradicts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import text

from lab.bureau.data.records import RecordStore, verify_records
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from tests.support.small_catalogue import REGISTRATION, TAX, deliver, open_store

APRIL, MAY = date(2025, 4, 1), date(2025, 5, 1)


@pytest.fixture
def records(store: Database, tmp_path: Path) -> RecordStore:
    made = open_store(tmp_path / "bureau", store)
    deliver(made, TAX, MAY, pl.DataFrame({"enterprise": ["a"], "period": [APRIL], "sales": [1.0]}))
    firm = pl.DataFrame({"enterprise": ["a"], "changed_on": [APRIL], "person": ["x"], "person_id": ["y"]})
    deliver(made, REGISTRATION, MAY, firm)
    return made


def test_all_is_well_after_imports(records: RecordStore, store: Database) -> None:
    (records.files.segments / "left.parquet").touch()
    with store.begin_read() as session:
        found = verify_records(records, session)
    assert (found.segments, found.files, found.entries, found.left_over, found.findings) == (2, 4, 2, 1, ())


def test_each_damaged_or_missing_file_is_named(records: RecordStore, store: Database) -> None:
    with store.begin_read() as session:
        first, second = records.head(session).segments
        verify_records(records, session)
        (records.files.segments / f"{second.personal_sha256}.sealed").unlink()
        damaged = records.files.segments / f"{first.sha256}.parquet"
        damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
        found = verify_records(records, session)
    assert {one.place for one in found.findings} == {f"{first.sha256}.parquet", f"{second.personal_sha256}.sealed"}


def test_an_entry_that_names_other_segments_is_found(records: RecordStore, store: Database) -> None:
    with store.begin() as session:
        if session.connection().dialect.name == "sqlite":
            for (name,) in session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("ALTER TABLE ledger_entries DISABLE TRIGGER ALL"))
        entry = session.get_one(LedgerEntryRow, 1)
        body = json.loads(entry.body)
        body["facts"]["added"] = ["00" * 32]
        entry.body = json.dumps(body)
    with store.begin_read() as session:
        (found,) = verify_records(records, session).findings
    assert found.place == "ledger 1"
