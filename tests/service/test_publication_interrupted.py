"""Killed and full disks: no half of a feature table or a version is ever there, and the next run ends right."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from lab.bureau.bureau import Bureau
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features.stored_tables import FeatureTables
from lab.bureau.data.publication import publishing
from lab.bureau.data.publication.publishing import feature_inputs, publish_features
from lab.bureau.data.records import RecordStore
from lab.bureau.data.register import find_snapshot
from lab.bureau.store.tables import FeatureTableRow, LedgerEntryRow, RegisterRow
from tests.support.feature_records import fill_store, firm_code, random_records
from tests.support.small_disk import mount_small_disk

ROOT = Path(__file__).parents[2]
CATALOGUE = default_catalogue()
KNOWN = date(2026, 6, 30)
ACTS = {
    "compute": """
with bureau.store.begin_read() as session:
    inputs = publishing.feature_inputs(session, bureau.home, records, day)
FeatureTables(bureau.home, bureau.store, records).table(inputs)
""",
    "publish": "publishing.publish_features(bureau.store, bureau.home, records, day)\n",
}
CHILD = """
import importlib, os, signal, sys
from datetime import date
from pathlib import Path
from lab.bureau.bureau import Bureau
from lab.bureau.data.features.stored_tables import FeatureTables
from lab.bureau.data.publication import publishing
from lab.bureau.data.records import RecordStore
home, module, name, when, act = sys.argv[1:]
publishing.check_publication_gate = lambda *_: None
owner, day = importlib.import_module(module), date(2026, 6, 30)
real = getattr(owner, name)
def killed(*given, **named):
    if when == "after":
        real(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, killed)
with Bureau.open(Path(home)) as bureau:
    records = RecordStore(bureau.home, bureau.store, bureau.keys)
    exec(act)
print("not killed")
"""
TABLES = "lab.bureau.data.features.stored_tables"
VERSIONS = "lab.bureau.data.register.version_storage"
MOMENTS = [
    ("compute", TABLES, "compute_to_file", "after"),
    ("compute", TABLES, "record", "after"),
    ("publish", "lab.bureau.data.publication.publishing", "compare_register", "after"),
    ("publish", VERSIONS, "write_digests", "after"),
    ("publish", VERSIONS, "record", "after"),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bureau's folder with records and nothing computed."""
    folder = tmp_path_factory.mktemp("original") / "bureau"
    with Bureau.create(folder, name="Test bureau") as made:
        firms = [firm_code(number) for number in range(20)]
        fill_store(records_of(made), CATALOGUE, random_records(CATALOGUE, firms, 7), KNOWN)
    return folder


@pytest.fixture(autouse=True)
def good_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the quality of the records allowed publication."""
    monkeypatch.setattr(publishing, "check_publication_gate", lambda *_: None)


def records_of(bureau: Bureau) -> RecordStore:
    return RecordStore(bureau.home, bureau.store, bureau.keys)


def compute(bureau: Bureau) -> str:
    with bureau.store.begin_read() as session:
        inputs = feature_inputs(session, bureau.home, records_of(bureau), KNOWN)
    return FeatureTables(bureau.home, bureau.store, records_of(bureau)).table(inputs).sha256


def publish(bureau: Bureau) -> tuple[int, str]:
    done = publish_features(bureau.store, bureau.home, records_of(bureau), KNOWN)
    return done.version, done.sha256


@pytest.fixture(scope="module")
def undisturbed(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The hashes of table and version without an interruption."""
    copy = tmp_path_factory.mktemp("undisturbed") / "bureau"
    shutil.copytree(original, copy)
    with pytest.MonkeyPatch.context() as patch, Bureau.open(copy) as bureau:
        patch.setattr(publishing, "check_publication_gate", lambda *_: None)
        return compute(bureau), publish(bureau)[1]


def counts(bureau: Bureau) -> tuple[int, int, int]:
    """Feature tables and versions in the database, and ledger entries of either."""
    kinds = ("features.computed", "register.published")
    with bureau.store.begin_read() as session:
        entries = select(func.count()).select_from(LedgerEntryRow).where(LedgerEntryRow.kind.in_(kinds))
        found = [session.scalar(select(func.count()).select_from(row)) for row in (FeatureTableRow, RegisterRow)]
        return found[0] or 0, found[1] or 0, session.scalar(entries) or 0


def check_ends_right(bureau: Bureau, undisturbed: tuple[str, str]) -> None:
    """The next runs give what an undisturbed bureau has, and nothing is left behind."""
    assert compute(bureau) == undisturbed[0]
    assert publish(bureau) == (1, undisturbed[1])
    assert counts(bureau) == (1, 1, 2)
    with bureau.store.begin_read() as session:
        frame = bureau.snapshots.frame(find_snapshot(session, "main"))
    assert frame.height == 20 and set(frame.dtypes) == {pl.String}
    for place in ("features/.work", "registers/.main"):
        assert [path.name for path in bureau.home.path(place).glob("*-*")] == []


@pytest.mark.parametrize(("act", "module", "name", "when"), MOMENTS)
def test_kill_9_publishes_no_half_and_the_next_run_ends_right(
    original: Path, undisturbed: tuple[str, str], tmp_path: Path, act: str, module: str, name: str, when: str
) -> None:
    home = tmp_path / "bureau"
    shutil.copytree(original, home)
    command = [sys.executable, "-c", CHILD, str(home), module, name, when, ACTS[act]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    with Bureau.open(home) as bureau:
        # A table that was complete before the version was killed stays; a version is not there.
        assert counts(bureau) == ((0, 0, 0) if act == "compute" else (1, 0, 1))
        check_ends_right(bureau, undisturbed)


def test_a_full_disk_publishes_no_half_and_the_next_run_ends_right(
    original: Path, undisturbed: tuple[str, str], tmp_path: Path
) -> None:
    with mount_small_disk(tmp_path / "disk", megabytes=48) as disk:
        home = disk.folder / "bureau"
        shutil.copytree(original, home)
        with Bureau.open(home) as bureau:
            disk.leave(0)
            with pytest.raises(Exception) as error:
                compute(bureau)
            assert_says_the_disk(error.value)
            assert counts(bureau) == (0, 0, 0)
            disk.leave(30 << 20)
            compute(bureau)
            disk.leave(0)
            with pytest.raises(Exception) as error:
                publish(bureau)
            assert_says_the_disk(error.value)
            assert counts(bureau) == (1, 0, 1)
            disk.leave(30 << 20)
            check_ends_right(bureau, undisturbed)


def assert_says_the_disk(error: BaseException) -> None:
    """Whatever the layer, the words are the disk's: what a command shows as a full disk."""
    words = f"{type(error).__name__} {error} {getattr(error, 'detail', '')}".lower()
    assert any(said in words for said in ("disk", "no space", "space left")), words
