"""Before the service starts: every folder can be written, or the error names the folder, the reason and a next step."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lab.bureau.configuration.home import FOLDERS
from lab.terms.errors import Conflict, InvalidInput
from sandbox.start_checks import check_home_writable, check_port_file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bureau.toml").write_text('name = "x"\n')
    return tmp_path


def test_a_good_home_is_left_as_it_was(home: Path) -> None:
    check_home_writable(home)
    assert {path.name for path in home.iterdir()} == {"bureau.toml", *FOLDERS}
    assert not any(list((home / part).iterdir()) for part in FOLDERS)


def test_a_folder_without_a_bureau_is_not_touched(tmp_path: Path) -> None:
    check_home_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_named(home: Path, part: str) -> None:
    (home / part).write_bytes(b"")
    with pytest.raises(Conflict, match=f"{part}; found: file exists") as caught:
        check_home_writable(home)
    assert "move the file" in caught.value.next_step


@pytest.mark.parametrize(
    ("number", "step"), [(errno.ENOSPC, "make room"), (errno.EROFS, "mount it"), (errno.EACCES, "owner")]
)
def test_a_disk_that_takes_nothing_is_named_with_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(Conflict, match=os.strerror(number).lower()) as caught:
        check_home_writable(home)
    assert step in caught.value.next_step


def test_settings_are_a_file(home: Path) -> None:
    (home / "service.toml").mkdir()
    with pytest.raises(InvalidInput, match="found a folder"):
        check_home_writable(home)


def test_the_port_has_a_folder_to_go_to(tmp_path: Path) -> None:
    check_port_file(None)
    check_port_file(tmp_path / "port")
    with pytest.raises(Conflict, match="--port-file; found: no such file or directory"):
        check_port_file(tmp_path / "nowhere" / "port")
