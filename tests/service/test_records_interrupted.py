"""An import of records that is killed, or that meets another: all of it or nothing, and nothing is left over."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.records import RecordStore
from lab.bureau.data.records.files.record_files import RecordFiles
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import Database, open_database
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.errors import Conflict, MachineFault
from tests.support.small_catalogue import REGISTRATION, TAX, deliver, open_store, rows_of, source
from tests.support.small_disk import mount_small_disk

ROOT = Path(__file__).resolve().parents[2]
APRIL, MAY, JUNE = date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 1)
KILLED = """
import os, sys
from datetime import date
from pathlib import Path
import polars as pl
from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.records import RecordStore, record_store
from lab.bureau.data.records.files.record_files import RecordFiles
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.store import open_database
from tests.support.small_catalogue import TAX, deliver
place = record_store if {step!r} in ("record", "check_operations") else RecordFiles
real = getattr(place, {step!r})
def killed(*arguments, **named):
    {before}
    os.kill(os.getpid(), 9)
setattr(place, {step!r}, killed)
home = BureauHome.open(Path(sys.argv[1]))
store = open_database(sys.argv[2])
store.sign = lambda message: bytes(64)
records = RecordStore(home, store, BureauKeys.open(home))
values = pl.DataFrame({{"enterprise": ["a", "b"], "period": [date(2025, 5, 1)] * 2, "sales": [2.0, 2.0]}})
deliver(records, TAX, date(2025, 6, 1), values)
"""


@pytest.fixture
def store(tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    """A store on SQLite: what is tested here is the files'."""
    (tmp_path / "bureau.db").write_bytes(migrated_file.read_bytes())
    opened = open_database(f"sqlite:///{tmp_path / 'bureau.db'}")
    opened.sign = lambda message: bytes(64)
    yield opened
    opened.close()


def tax(*codes: str, period: date = APRIL) -> pl.DataFrame:
    return pl.DataFrame({"enterprise": codes, "period": [period] * len(codes), "sales": [1.0] * len(codes)})


@pytest.mark.parametrize("step", ["check_operations", "keep", "write_manifest", "record"])
@pytest.mark.parametrize("before", ["pass", "real(*arguments, **named)"])
def test_kill_9_leaves_the_former_head(store: Database, tmp_path: Path, step: str, before: str) -> None:
    url = f"sqlite:///{tmp_path / 'bureau.db'}"
    records = open_store(tmp_path / "bureau", store)
    head = deliver(records, TAX, MAY, tax("a"))
    script = KILLED.format(step=step, before=before)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "bureau"), url], cwd=ROOT, check=False)
    assert done.returncode == -9
    with store.begin_read() as session:
        assert records.head(session) == head
        assert [row.kind for row in session.query(LedgerEntryRow)] == ["records.imported"]
    home = BureauHome.open(tmp_path / "bureau")
    records = RecordStore(home, store, BureauKeys.open(home))  # as the next command does
    after = deliver(records, TAX, JUNE, tax("a", "b", period=MAY))
    assert after.rows == 3
    kept = {name for segment in after.segments for name in segment.files}
    assert {path.name for path in records.files.segments.iterdir()} == kept
    assert list(records.files.staging.iterdir()) == []


def test_of_two_imports_from_one_head_the_second_is_refused(store: Database, tmp_path: Path) -> None:
    records = open_store(tmp_path / "bureau", store)
    base = deliver(records, TAX, MAY, tax("a"))
    with records.writer(TAX, source(MAY)) as writer:
        writer.write(rows_of(TAX, tax("b")))
        finished = writer.finish()
        assert finished is not None
        deliver(records, TAX, MAY, tax("c"))
        with pytest.raises(Conflict, match="just now"):
            records.append([finished], kind="records.imported", facts={}, by="local", base=base)
        # An import that does not hold the lock still loses nothing: its folder is not swept while it lives.
        assert records.append([finished], kind="records.imported", facts={}, by="local").rows == 3


def test_an_import_waits_for_the_one_that_holds_the_lock(store: Database, tmp_path: Path) -> None:
    records, failures = open_store(tmp_path / "bureau", store), list[BaseException]()
    code = iter("abcdef")

    def bring() -> None:
        try:
            deliver(records, TAX, MAY, tax(next(code)))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=bring) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    with store.begin_read() as session:
        assert records.head(session).rows == 6


def test_no_plain_personal_item_is_on_the_disk_while_a_segment_is_written(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, secret = open_store(tmp_path / "bureau", store), "甲乙丙丁"
    seen: list[bytes] = []
    real = RecordFiles.keep

    def look(files: RecordFiles, staged: Path, name: str) -> None:
        seen.extend(path.read_bytes() for path in files.staging.rglob("*") if path.is_file())
        real(files, staged, name)

    monkeypatch.setattr(RecordFiles, "keep", look)
    values = pl.DataFrame(
        {"enterprise": ["a"], "changed_on": [APRIL], "name": ["A"], "person": [secret], "person_id": [secret]}
    )
    deliver(records, REGISTRATION, MAY, values)
    assert len(seen) > 3
    assert not any(secret.encode() in content for content in seen)


def test_files_and_folders_are_the_owners_alone(store: Database, tmp_path: Path) -> None:
    records = open_store(tmp_path / "bureau", store)
    deliver(records, TAX, MAY, tax("a"))
    home = BureauHome.open(tmp_path / "bureau")
    for path in (home.folder / "records").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_full_disk_changes_nothing_and_is_said(store: Database, tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", megabytes=8) as disk:
        records = open_store(tmp_path / "disk" / "bureau", store)
        head = deliver(records, TAX, MAY, tax("a"))
        codes = [f"{number * 7919 % 100_003:018d}" for number in range(50_000)]
        for free in (0, 64 << 10, 1 << 20):
            disk.leave(free)
            with pytest.raises((MachineFault, OSError)):
                deliver(records, TAX, JUNE, tax(*codes, period=MAY))
            with store.begin_read() as session:
                assert records.head(session) == head
        disk.leave(6 << 20)
        assert deliver(records, TAX, JUNE, tax("b", period=MAY)).rows == 2
