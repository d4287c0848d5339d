"""One enterprise's records: as of a day, with their history, personal items only when asked."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.data.records import RecordStore, enterprise_records
from lab.bureau.data.records.segments.code_filter import SoughtCode, make_code_filter
from lab.bureau.store import Database
from lab.disk.checked_files import DamagedFile
from tests.support.small_catalogue import COURTS, REGISTRATION, SMALL_CATALOGUE, deliver, open_store

APRIL, MAY, JUNE, JULY = date(2025, 4, 1), date(2025, 5, 10), date(2025, 6, 10), date(2025, 7, 10)


@pytest.fixture
def records(store: Database, tmp_path: Path) -> RecordStore:
    made = open_store(tmp_path / "bureau", store)
    firms = pl.DataFrame(
        {"enterprise": ["b", "a"], "changed_on": [APRIL] * 2, "name": ["B", "A"], "person": ["甲", "乙"]}
    ).with_columns(person_id=pl.lit("1"))
    deliver(made, REGISTRATION, MAY, firms)
    case = pl.DataFrame({"enterprise": ["a"], "case_number": ["1"], "filed_on": [APRIL], "closed_on": [None]})
    case = case.with_columns(pl.col("closed_on").cast(pl.Date), staff=pl.lit(3))
    deliver(made, COURTS, MAY, case)
    deliver(made, COURTS, JUNE, case.with_columns(closed_on=pl.lit(JUNE)), "corrected")
    deliver(made, COURTS, JULY, case.select("enterprise", "case_number", "filed_on"), "deleted")
    return made


def test_what_was_known_of_an_enterprise_on_each_day(records: RecordStore, store: Database) -> None:
    expected = {MAY: [None], JUNE: [JUNE], JULY: []}
    for day, closed in expected.items():
        with store.begin_read() as session:
            manifest = records.manifest_as_of(session, day)
        found = enterprise_records(records, manifest, SMALL_CATALOGUE, "a")
        assert [one.held_to for one in found.current.get("courts", ())] == closed
        assert found.history == {}
    with store.begin_read() as session:
        manifest = records.head(session)
    found = enterprise_records(records, manifest, SMALL_CATALOGUE, "a", history=True)
    assert [(one.operation, one.known_on) for one in found.history["courts"]] == [
        ("add", MAY),
        ("correct", JUNE),
        ("delete", JULY),
    ]
    assert found.history["courts"][1].items["staff"] == 3
    assert not found.history["courts"][2].items
    assert found.records == 1


def test_personal_items_are_there_only_when_asked(records: RecordStore, store: Database) -> None:
    with store.begin_read() as session:
        manifest = records.head(session)
    (plain,) = enterprise_records(records, manifest, SMALL_CATALOGUE, "a").current["registration"]
    assert dict(plain.items) == {"changed_on": APRIL, "name": "A"}
    (opened,) = enterprise_records(records, manifest, SMALL_CATALOGUE, "a", personal=True).current["registration"]
    assert (opened.items["person"], opened.as_dict()["items"]["changed_on"]) == ("乙", "2025-04-01")
    assert enterprise_records(records, manifest, SMALL_CATALOGUE, "nobody", history=True).history == {}


def test_a_damaged_filter_or_sealed_file_is_found(records: RecordStore, store: Database) -> None:
    with store.begin_read() as session:
        manifest = records.head(session)
    sealed = records.files.segments / f"{manifest.segments[0].personal_sha256}.sealed"
    content = bytearray(sealed.read_bytes())
    content[60] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(DamagedFile):
        enterprise_records(records, manifest, SMALL_CATALOGUE, "a", personal=True)
    (records.files.segments / f"{manifest.segments[1].codes_sha256}.codes").write_bytes(b"")
    records.files._small.clear()
    with pytest.raises(DamagedFile, match="codes"):
        enterprise_records(records, manifest, SMALL_CATALOGUE, "a")


def test_a_filter_knows_every_code_and_admits_few_others() -> None:
    codes = pl.Series([f"91350100{number:010d}" for number in range(5_000)])
    made = make_code_filter(codes)
    assert len(made) < 5_000 * 1.3
    assert all(SoughtCode.of(code).may_be_in(made) for code in codes[:500])
    assert sum(SoughtCode.of(f"92{number:016d}").may_be_in(made) for number in range(2_000)) < 60
    assert not SoughtCode.of("a").may_be_in(make_code_filter(pl.Series([], dtype=pl.String)))
    with pytest.raises(ValueError, match="filter"):
        SoughtCode.of("a").may_be_in(made[:-1])


def test_a_look_reads_no_whole_file_and_finds_a_changed_one(
    records: RecordStore, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.begin_read() as session:
        manifest = records.head(session)

    def refuse(path: Path) -> str:
        raise AssertionError("a whole file was read")

    with monkeypatch.context() as patched:
        patched.setattr("lab.bureau.data.records.files.record_files.hash_file", refuse)
        found = enterprise_records(records, manifest, SMALL_CATALOGUE, "a")
    assert found.records == 1
    for path in records.files.segments.glob("*.parquet"):
        content = path.read_bytes()
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    with pytest.raises(DamagedFile):
        enterprise_records(records, manifest, SMALL_CATALOGUE, "a")
