"""Locks: one holder at a time, named to those who do not wait, and given up by a process that dies."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lab.disk.locks import exclusive_lock, is_locked, lock_folder, lock_or_refuse
from lab.terms.errors import Conflict


def test_who_does_not_wait_learns_which_process_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with lock_or_refuse(path, what="run 7", next_step="wait for it"):
        assert is_locked(path)
        with (
            pytest.raises(Conflict, match=rf"Another process \({os.getpid()}\) works on run 7"),
            lock_or_refuse(path, what="run 7", next_step="wait for it"),
        ):
            pass
    assert not is_locked(path)


@pytest.mark.parametrize("of_a_folder", [False, True])
def test_a_second_thread_waits_and_says_so_once(tmp_path: Path, of_a_folder: bool) -> None:
    path = tmp_path if of_a_folder else tmp_path / "lock"
    waited, entered = threading.Event(), threading.Event()

    def enter() -> None:
        with exclusive_lock(path, on_wait=waited.set):
            entered.set()

    with exclusive_lock(path):
        other = threading.Thread(target=enter)
        other.start()
        assert waited.wait(30) and not entered.is_set()
    other.join(30)
    assert entered.is_set()


def test_a_dead_process_gives_its_lock_up(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with exclusive_lock(tmp_path / "lock"):
            os._exit(0)
    os.waitpid(child, 0)
    with lock_or_refuse(tmp_path / "lock", what="it", next_step="wait"):
        assert int((tmp_path / "lock").read_text()) == os.getpid()


def test_a_folder_is_made_for_its_lock_and_a_link_is_refused(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "new") as folder:
        assert (folder.stat().st_mode & 0o777, is_locked(folder / "lock")) == (0o700, True)
    (tmp_path / "link").symlink_to(folder / "lock")
    with pytest.raises(OSError), exclusive_lock(tmp_path / "link"):
        pass
