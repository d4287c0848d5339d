"""Files that a person asked for: what cannot be written is found before the work, and is told in plain words."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lab.disk.output_files import check_output_file, describe_disk_error, write_output_file
from lab.terms.errors import InvalidInput, MachineFault, NotFound


def test_a_check_leaves_everything_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("kept")
    check_output_file(there)
    check_output_file(tmp_path / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"] and there.read_text() == "kept"


def test_places_that_cannot_be_written_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="folder for a"):
        check_output_file(tmp_path / "absent" / "a.csv")
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(InvalidInput, match="plain file"):
            check_output_file(path)
    (tmp_path / "file").touch()
    with pytest.raises(MachineFault, match="ENOTDIR"):
        check_output_file(tmp_path / "file" / "a.csv")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "secret path")

    monkeypatch.setattr("lab.disk.output_files.tempfile.NamedTemporaryFile", full)
    monkeypatch.setattr("lab.disk.output_files.replace_private", full)
    for attempt in (lambda path: check_output_file(path), lambda path: write_output_file(path, b"")):
        with pytest.raises(MachineFault, match=r"the disk is full \(ENOSPC\)") as found:
            attempt(tmp_path / "a.csv")
        assert "secret" not in str(found.value) and found.value.next_step


def test_every_reason_has_words() -> None:
    assert describe_disk_error(OSError(errno.EROFS, "")) == "the disk is read-only (EROFS)"
    assert "ELOOP" in describe_disk_error(OSError(errno.ELOOP, ""))
    assert "no errno" in describe_disk_error(OSError("x"))
