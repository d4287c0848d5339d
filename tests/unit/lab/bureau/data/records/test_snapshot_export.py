"""A snapshot written out: the same bytes for the same day, hashes of all files, no personal item, a ledger entry."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.records import RecordStore, export_snapshot
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.errors import Conflict, NotFound
from tests.support.small_catalogue import REGISTRATION, SMALL_CATALOGUE, TAX, deliver, open_store

APRIL, MAY, JUNE = date(2025, 4, 1), date(2025, 5, 10), date(2025, 6, 10)


@pytest.fixture
def records(store: Database, tmp_path: Path) -> RecordStore:
    made = open_store(tmp_path / "bureau", store)
    tax = pl.DataFrame({"enterprise": ["b", "a"], "period": [APRIL] * 2, "sales": [2.0, 1.0]})
    deliver(made, TAX, MAY, tax)
    firms = pl.DataFrame({"enterprise": ["a"], "changed_on": [APRIL], "name": ["A"], "person": ["张三"]})
    deliver(made, REGISTRATION, MAY, firms.with_columns(person_id=pl.lit("330101")))
    return made


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_day_gives_the_same_bytes_after_corrections_and_compaction(
    records: RecordStore, store: Database, tmp_path: Path
) -> None:
    made = export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "first", day=MAY, by="local")
    correction = pl.DataFrame({"enterprise": ["a"], "period": [APRIL], "sales": [9.0]})
    head = deliver(records, TAX, JUNE, correction, "corrected")
    with records.importing():
        records.packs.compact(head, by="local", domains=["tax"])
        records.packs.remove_packed(head, by="local", domains=["tax"])
    export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "again", day=MAY, by="local")
    export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "later", day=JUNE, by="local")
    first = content(tmp_path / "first")
    assert content(tmp_path / "again") == first
    assert content(tmp_path / "later") != first
    assert pl.read_parquet(tmp_path / "first" / "tax.parquet")["sales"].to_list() == [1.0, 2.0]
    assert made.rows == {"tax": 2, "courts": 0, "registration": 1}
    for one in json.loads(first["snapshot.json"])["domains"]:
        assert hashlib.sha256(first[one["file"]]).hexdigest() == one["sha256"]
    assert (
        pl.read_parquet_schema(tmp_path / "first" / "registration.parquet").keys().isdisjoint({"person", "person_id"})
    )
    for one in first.values():
        assert "张三".encode() not in one and b"330101" not in one
    with store.begin_read() as session:
        entries = session.query(LedgerEntryRow).filter(LedgerEntryRow.kind == "records.exported").all()
        assert [json.loads(one.body)["facts"]["snapshot"] for one in entries][:2] == [made.sha256] * 2


def test_a_folder_that_exists_or_has_no_place_is_refused_and_nothing_is_left(
    records: RecordStore, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(Conflict):
        export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "there", day=MAY, by="local")
    with pytest.raises(NotFound):
        export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "none" / "out", day=MAY, by="local")

    def refuse(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.bureau.data.records.snapshot_export.record", refuse)
    with pytest.raises(KeyboardInterrupt):
        export_snapshot(records, store, SMALL_CATALOGUE, tmp_path / "out", day=MAY, by="local")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
