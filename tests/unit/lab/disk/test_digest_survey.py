"""Every form of digest is read in a walk over a home; what is damaged or lost is named, and the rest is not."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from lab.disk.checked_blocks import write_digests
from lab.disk.checked_files import seal_json, write_checked
from lab.disk.digest_survey import HomeDigests, survey_digests

LAYOUT = HomeDigests(
    checked=("runs/*/match",),
    blocks=("registers/*.parquet",),
    sealed=("runs/*/manifest.json",),
    stores=("one.db",),
    named=("contexts/*.frame",),
    named_first=("batches/*.frame",),
    references=(("one.db", "contexts", "file"),),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in ("runs/1", "registers", "contexts", "batches", "logs"):
        (tmp_path / folder).mkdir(parents=True)
    write_checked(tmp_path / "runs/1/match", b"rows", identity="1/match")
    (tmp_path / "runs/1/scores").write_bytes(b"scores")
    manifest = seal_json({"files": {"scores": hashlib.sha256(b"scores").hexdigest()}}, "1/manifest.json")
    (tmp_path / "runs/1/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "registers/main-1.parquet").write_bytes(bytes(3_000_000))
    write_digests(tmp_path / "registers/main-1.parquet", identity="registers/main-1.parquet")
    digest = hashlib.sha256(b"context").hexdigest()
    (tmp_path / f"contexts/{digest}.frame").write_bytes(b"context")
    (tmp_path / f"batches/c-20260101-1a2b3c4d-{digest}-{'0' * 16}.frame").write_bytes(b"context")
    (tmp_path / "logs/service.jsonl").write_text("anything")
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection, connection:
        connection.execute("CREATE TABLE contexts (file TEXT)")
        connection.execute("INSERT INTO contexts VALUES (?), (NULL)", (f"contexts/{digest}.frame",))
    return tmp_path


def test_a_whole_home_has_no_fault_and_says_how_much_was_read(home: Path) -> None:
    found = survey_digests(home, LAYOUT)
    assert (found.damaged, found.lost, found.files) == ([], [], 6) and found.size_bytes > 3_000_000


@pytest.mark.parametrize(
    "name", ["runs/1/match", "runs/1/scores", "runs/1/manifest.json", "registers/main-1.parquet", "one.db"]
)
def test_one_changed_byte_is_found(home: Path, name: str) -> None:
    data = bytearray((home / name).read_bytes())
    data[0] ^= 1
    (home / name).write_bytes(bytes(data))
    assert survey_digests(home, LAYOUT).damaged == [PurePosixPath(name)]


@pytest.mark.parametrize("folder", ["contexts", "batches"])
def test_a_file_that_its_name_contradicts_is_found(home: Path, folder: str) -> None:
    (path,) = (home / folder).iterdir()
    path.write_bytes(b"another")
    assert survey_digests(home, LAYOUT).damaged == [PurePosixPath(folder) / path.name]


def test_lost_files_are_named(home: Path) -> None:
    (context,) = (home / "contexts").iterdir()
    for path in (context, home / "runs/1/scores", home / "registers/main-1.parquet"):
        path.unlink()
    found = survey_digests(home, LAYOUT)
    names = sorted(PurePosixPath(name) for name in (f"contexts/{context.name}", "registers/main-1.parquet"))
    assert found.lost == [*names, PurePosixPath("runs/1/scores")] and found.damaged == []
