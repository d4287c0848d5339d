"""Room on a disk: which errors say that there is none, and whether a file can be written."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from lab.disk.free_space import check_writing, find_no_room, free_bytes
from lab.disk.private_files import replace_private
from lab.terms.errors import NoRoom, Unreachable


def error_of(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_full_disk_is_found_whatever_it_became() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        assert isinstance(find_no_room(error_of(number)), NoRoom)
    wrapped = Unreachable("The database does not answer.")
    wrapped.__cause__ = error_of(errno.ENOSPC)
    assert isinstance(find_no_room(wrapped), NoRoom)
    for other in (None, error_of(errno.EACCES), Unreachable("The database does not answer."), ValueError()):
        assert find_no_room(other) is None


def test_a_full_database_is_found() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    assert isinstance(find_no_room(raised.value), NoRoom)


def test_a_file_is_written_and_read_back_and_leaves_nothing(tmp_path: Path) -> None:
    check_writing(tmp_path)
    assert list(tmp_path.iterdir()) == [] and free_bytes(tmp_path) > 0
    with pytest.raises(FileNotFoundError):
        check_writing(tmp_path / "gone")


def test_a_write_that_fails_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise error_of(errno.ENOSPC)

    monkeypatch.setattr("lab.disk.private_files.os.fsync", full)
    with pytest.raises(OSError) as raised:
        replace_private(tmp_path / "reply.frame", b"x")
    assert raised.value.filename == str(tmp_path / "reply.frame") and list(tmp_path.iterdir()) == []
