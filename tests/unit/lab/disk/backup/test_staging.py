"""A folder as of one moment, while others write to it."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from lab.disk.backup.staging import FolderRules, stage_files, staging
from lab.disk.private_files import replace_private
from lab.terms.errors import Conflict, InvalidInput

RULES = FolderRules({"left": "because", "old.db*": "other"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    for path in (
        "left/a",
        "runs/one/x",
        "runs/one/lock",
        "runs/two/y",
        "top",
        "old.db",
        "old.db-wal",
        "runs/.z.partial",
    ):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_bytes(path.encode())
    (made / "runs" / "one" / "large").write_bytes(os.urandom(2_000_000))
    return made


def test_everything_is_taken_but_what_the_rules_leave_out(home: Path) -> None:
    with staging(home) as staged:
        stage_files(staged, home, RULES, quiet=True)
        assert sorted(staged.files) == ["runs/one/large", "runs/one/x", "runs/two/y", "top"]
        assert {reason: one.files for reason, one in staged.left_out.items()} == {"because": 1, "other": 2}
        sizes = {one.path: one.size for one in staged.hashed()}
        assert sizes["runs/one/large"] == 2_000_000
        replace_private(home / "runs" / "one" / "large", b"new")
        (home / "top").write_bytes(b"overwritten in place")
        assert staged.files["runs/one/large"].stat().st_size == 2_000_000
        assert staged.files["top"].read_bytes() == b"top"
        with pytest.raises(Conflict, match="backup of this folder"), staging(home):
            raise AssertionError("entered")
    assert not [path for path in home.iterdir() if path.is_dir() and path.name.startswith(".backup")]


def test_a_run_is_taken_at_a_moment_at_which_it_rests(home: Path) -> None:
    """The writer keeps two files that belong together; only between its steps they differ."""
    stop, run = threading.Event(), home / "runs" / "one"
    for name in ("x", "other"):
        replace_private(run / name, b"0")

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            replace_private(run / "x", b"%d" % number)
            replace_private(run / "other", b"%d" % number)
            stop.wait(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            with staging(home) as staged:
                stage_files(staged, home, RULES, quiet=True)
                pair = [staged.files[f"runs/one/{name}"].read_bytes() for name in ("x", "other")]
                assert abs(int(pair[0]) - int(pair[1])) <= 1
    finally:
        stop.set()
        writer.join()


def test_an_sqlite_file_is_copied_with_what_is_in_its_log_only(home: Path) -> None:
    connection = sqlite3.connect(home / "runs" / "kept.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE kept (value)")
    connection.execute("INSERT INTO kept VALUES (1)")
    connection.commit()
    with staging(home) as staged:
        stage_files(staged, home, RULES, quiet=False)
        found = sqlite3.connect(staged.files["runs/kept.sqlite"]).execute("SELECT value FROM kept").fetchall()
        assert found == [(1,)] and not any(path.endswith(("-wal", "-shm")) for path in staged.files)
    connection.close()


def test_links_and_damaged_databases_are_refused(home: Path) -> None:
    (home / "runs" / "link").symlink_to(home / "top")
    with staging(home) as staged, pytest.raises(InvalidInput, match="runs/link is a link"):
        stage_files(staged, home, RULES, quiet=False)
    (home / "runs" / "link").unlink()
    (home / "runs" / "bad.sqlite").write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    with staging(home) as staged, pytest.raises(InvalidInput, match="damaged"):
        stage_files(staged, home, RULES, quiet=False)


def test_what_a_killed_backup_left_is_removed(home: Path) -> None:
    (home / ".backup-abc" / "files").mkdir(parents=True)
    with staging(home):
        pass
    assert not (home / ".backup-abc").exists()
