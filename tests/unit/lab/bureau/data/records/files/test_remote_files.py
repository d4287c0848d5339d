"""Records in a store with the interface of S3: moto's server, over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import boto3  # type: ignore[import-untyped]
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.records import RecordStore, fetch_frame, open_records, verify_records
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import Database, open_database
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, InvalidInput, Unreachable
from tests.support.small_catalogue import SMALL_CATALOGUE, TAX, deliver

APRIL, MAY, JUNE = date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 1)
URL = "s3://records/city"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = boto3.resource("s3").Bucket("records")
    made.create()
    yield made
    made.objects.all().delete()
    made.delete()


@pytest.fixture
def store(tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    shutil.copyfile(migrated_file, tmp_path / "bureau.db")
    opened = open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    opened.sign = lambda message: bytes(64)
    yield opened
    opened.close()


def open_remote(folder: Path, store: Database, url: str = URL) -> RecordStore:
    home = BureauHome.create(folder, name="Test bureau")
    home = replace(home, settings=home.settings.model_copy(update={"records_url": url}))
    return RecordStore(home, store, BureauKeys.create(home))


def reopen_remote(folder: Path, store: Database) -> RecordStore:
    home = BureauHome.open(folder)
    home = replace(home, settings=home.settings.model_copy(update={"records_url": URL}))
    return RecordStore(home, store, BureauKeys.open(home))


def tax(code: str) -> pl.DataFrame:
    return pl.DataFrame({"enterprise": [code], "period": [APRIL], "sales": [1.0]})


def codes(records: RecordStore, store: Database) -> list[str]:
    with store.begin_read() as session:
        manifest = records.head(session)
    with open_records(records, manifest, SMALL_CATALOGUE) as connection:
        return fetch_frame(connection, "SELECT enterprise FROM tax ORDER BY 1")["enterprise"].to_list()


def names(bucket: object) -> set[str]:
    return {one.key for one in bucket.objects.all()}  # type: ignore[attr-defined]


def test_what_the_folder_lost_comes_back_from_the_store(bucket: object, store: Database, tmp_path: Path) -> None:
    records = open_remote(tmp_path / "bureau", store)
    deliver(records, TAX, MAY, tax("a"))
    head = deliver(records, TAX, JUNE, tax("b"))
    expected = {f"city/segments/{name}" for one in head.segments for name in one.files}
    assert expected < names(bucket)
    assert f"city/manifests/{head.sha256}.json" in names(bucket)
    for part in ("segments", "manifests"):
        shutil.rmtree(tmp_path / "bureau" / "records" / part)
    home = BureauHome.open(tmp_path / "bureau")
    home = replace(home, settings=home.settings.model_copy(update={"records_url": URL}))
    again = RecordStore(home, store, records.keys)
    assert codes(again, store) == ["a", "b"]
    local = again.files.segments / f"{head.segments[0].sha256}.parquet"
    local.write_bytes(b"damaged in the cache")
    assert codes(again, store) == ["a", "b"]


def test_an_object_that_was_changed_is_found(bucket: object, store: Database, tmp_path: Path) -> None:
    records = open_remote(tmp_path / "bureau", store)
    head = deliver(records, TAX, MAY, tax("a"))
    key = f"{head.segments[0].sha256}.parquet"
    bucket.put_object(Key=f"city/segments/{key}", Body=b"changed")  # type: ignore[attr-defined]
    with store.begin_read() as session:
        assert [one.place for one in verify_records(records, session).findings] == [key]
    (records.files.segments / key).unlink()
    with pytest.raises(DamagedFile):
        codes(records, store)


def test_left_overs_in_the_store_are_swept_and_nothing_else(bucket: object, store: Database, tmp_path: Path) -> None:
    records = open_remote(tmp_path / "bureau", store)
    deliver(records, TAX, MAY, tax("a"))
    before = names(bucket)
    bucket.put_object(Key="city/segments/left.parquet", Body=b"x")  # type: ignore[attr-defined]
    bucket.put_object(Key="other/segments/kept.parquet", Body=b"x")  # type: ignore[attr-defined]
    records = reopen_remote(tmp_path / "bureau", store)  # a new process sweeps with its first import
    deliver(records, TAX, JUNE, tax("b"))
    assert before < names(bucket)
    assert "city/segments/left.parquet" not in names(bucket)
    assert "other/segments/kept.parquet" in names(bucket)


def test_another_bureau_may_not_use_the_same_prefix(
    bucket: object, store: Database, tmp_path: Path, migrated_file: Path
) -> None:
    deliver(open_remote(tmp_path / "bureau", store), TAX, MAY, tax("a"))
    before = names(bucket)
    shutil.copyfile(migrated_file, tmp_path / "other.db")
    second = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    second.sign = lambda message: bytes(64)
    with pytest.raises(Conflict, match="another bureau"):
        deliver(open_remote(tmp_path / "second", second), TAX, MAY, tax("b"))
    assert names(bucket) == before
    second.close()


def test_a_store_that_does_not_answer_changes_nothing(
    bucket: object, store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = open_remote(tmp_path / "bureau", store)
    head = deliver(records, TAX, MAY, tax("a"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    home = BureauHome.open(tmp_path / "bureau")
    home = replace(home, settings=home.settings.model_copy(update={"records_url": URL}))
    again = RecordStore(home, store, records.keys)
    with pytest.raises(Unreachable, match="does not answer"):
        deliver(again, TAX, JUNE, tax("b"))
    with store.begin_read() as session:
        assert again.head(session) == head
    assert codes(again, store) == ["a"]  # what the folder has needs no store


@pytest.mark.parametrize("url", ["http://records", "s3://", "s3://Bucket!", "file:///tmp"])
def test_another_address_is_refused_in_the_settings(tmp_path: Path, url: str) -> None:
    BureauHome.create(tmp_path / "bureau", name="Test bureau")
    with (tmp_path / "bureau" / "bureau.toml").open("a") as file:
        file.write(f'records_url = "{url}"\n')
    with pytest.raises(InvalidInput):
        BureauHome.open(tmp_path / "bureau")
