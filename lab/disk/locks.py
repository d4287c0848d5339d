"""Locks between processes and threads: a lock file, held while its block runs, and given up when its process dies.

The lock is ``flock(2)`` on an open file, so two threads of one process exclude each other as well. The file keeps the
number of the process that holds it, for messages alone.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.terms.errors import Conflict

_LONGEST_NUMBER = 20


@contextmanager
def exclusive_lock(path: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file ``path`` (made with mode 0600), or the existing folder ``path``; wait while another holds it.

    ``on_wait`` is called once, before the wait. Raises ``OSError`` for a link, or where the file cannot be made.
    """
    descriptor = _open(path)
    try:
        if not _try_lock(descriptor):
            if on_wait is not None:
                on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _name_holder(descriptor)
        yield
    finally:
        os.close(descriptor)


class HeldLock:
    """A lock file that this process holds until ``release`` or its end, whoever still refers to this object."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)  # a number, which nothing closes but ``release`` or the end of the process
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        _name_holder(self._descriptor)

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._descriptor)


@contextmanager
def lock_or_refuse(path: Path, *, what: str, next_step: str) -> Iterator[None]:
    """Hold the lock file ``path``; raises ``Conflict``, naming the process, where another works on ``what``."""
    descriptor = _open(path)
    try:
        if not _try_lock(descriptor):
            holder = os.pread(descriptor, _LONGEST_NUMBER, 0).decode("ascii", errors="replace").strip()
            named = f" ({holder})" if holder.isdigit() else ""
            raise Conflict(f"Another process{named} works on {what}.", next_step=next_step)
        _name_holder(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_folder(folder: Path) -> Iterator[Path]:
    """Make ``folder`` (mode 0700) and hold its file ``lock``; wait while another holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive_lock(folder / "lock"):
        yield folder


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file ``path``; False where there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _try_lock(descriptor: int) -> bool:
    """Take the lock without waiting; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name_holder(descriptor: int) -> None:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with suppress(OSError):  # a full disk; the lock holds without the number
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
