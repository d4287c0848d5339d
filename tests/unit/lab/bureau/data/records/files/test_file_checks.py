"""Checks that are kept: a file that changed, an old check and a forged one do not count."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.bureau.data.records.files.file_checks import VALID_DAYS, FileChecks
from lab.terms.errors import NotFound

KEY = bytes(range(32))


def checks_in(folder: Path, key: bytes = KEY) -> FileChecks:
    return FileChecks(folder / "checks", lambda use: use(key))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_check_counts_in_another_process_until_the_file_changes(tmp_path: Path, file: Path) -> None:
    reader = checks_in(tmp_path)
    assert not reader.has(file)
    checks_in(tmp_path).add([file])
    assert reader.has(file)
    before = file.stat()
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # who changes the file may set its time back
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert not reader.has(file)


def test_a_check_of_another_key_an_old_one_and_one_without_key_do_not_count(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks_in(tmp_path, bytes(32)).add([file])
    assert not checks_in(tmp_path).has(file)
    checks_in(tmp_path).add([file])
    assert checks_in(tmp_path).has(file)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + (VALID_DAYS + 1) * 86_400)
    assert not checks_in(tmp_path).has(file)

    def refuse(_: object) -> bytes:
        raise NotFound("no key")

    keyless = FileChecks(tmp_path / "other", refuse)
    keyless.add([file])
    status = file.stat()
    words = f"file {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {int(now)} \n"
    (tmp_path / "other").write_text(words)
    assert not keyless.has(file)


def test_anew_forgets_what_is_not_named_and_rubbish_is_passed_over(tmp_path: Path, file: Path) -> None:
    checks, other = checks_in(tmp_path), tmp_path / "second"
    other.write_bytes(b"x")
    checks.add([file, other])
    (tmp_path / "checks").write_bytes((tmp_path / "checks").read_bytes() + b"\xff rubbish\nfile 1 2\n")
    assert not checks_in(tmp_path).has(file)
    checks.add([other], anew=True)
    assert checks.has(other) and not checks.has(file)
