"""Private files: whole or not at all, and refused when others could read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.disk.private_files import (
    check_private,
    create_private,
    ensure_private_file,
    move_private,
    read_private,
    replace_private,
    write_private,
)
from lab.terms.errors import Conflict, NotAllowed, NotFound


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_and_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"first")
    with pytest.raises(Conflict, match="exists already"):
        write_private(path, b"second")
    assert (path.read_bytes(), mode(path)) == (b"first", 0o600)
    assert os.listdir(tmp_path) == ["file"]


def test_a_replaced_file_is_private_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"open")
    path.chmod(0o644)
    replace_private(path, b"closed")
    assert (read_private(path), mode(path)) == (b"closed", 0o600)


def test_a_file_whose_writing_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), create_private(tmp_path / "file") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"secret")
    path.chmod(0o640)
    for refused in (read_private, ensure_private_file):
        with pytest.raises(NotAllowed, match="owner alone"):
            refused(path)
    with pytest.raises(NotFound):
        read_private(tmp_path / "none")


def test_a_link_is_followed_only_where_the_caller_says_so(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"secret")
    link = tmp_path / "link"
    link.symlink_to("file")
    with pytest.raises(NotAllowed):
        read_private(link)
    assert read_private(link, follow_links=True) == b"secret"
    with pytest.raises(NotAllowed):
        ensure_private_file(link)


def test_a_moved_file_is_private(tmp_path: Path) -> None:
    (tmp_path / "draft").write_bytes(b"rows")
    move_private(tmp_path / "draft", tmp_path / "rows")
    assert (read_private(tmp_path / "rows"), os.listdir(tmp_path)) == (b"rows", ["rows"])


def test_a_folder_that_others_may_enter_or_a_link_to_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    check_private(folder)
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(NotAllowed, match="links are not followed"):
        check_private(tmp_path / "link")
    folder.chmod(0o750)
    with pytest.raises(NotAllowed, match="0750"):
        check_private(folder)


def test_a_pipe_in_a_files_place_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(NotAllowed, match="another kind"):
        read_private(tmp_path / "pipe")
