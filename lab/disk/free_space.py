"""Room on a disk: how much is left, whether an error says that there is none, and whether a file can be written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lab.disk.private_files import private_opener
from lab.terms.errors import NoRoom

_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_POSTGRESQL_DISK_FULL = "53100"
_DEEPEST = 8
_PROBE_BYTES = 4096
NO_ROOM_HINT = "nothing is lost; try again when the bureau's operator has made room"


def free_bytes(folder: Path) -> int:
    """The bytes that this user may still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def find_no_room(error: BaseException | None) -> NoRoom | None:
    """The error that says so, if ``error`` or what caused it is a full disk, quota or file; otherwise None.

    A database's error counts too: SQLite's code SQLITE_FULL, PostgreSQL's state 53100.
    """
    for one in causes(error):
        full = isinstance(one, OSError) and one.errno in _ERRNOS
        full |= isinstance(one, sqlite3.Error) and getattr(one, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        full |= getattr(one, "sqlstate", None) == _POSTGRESQL_DISK_FULL
        if isinstance(one, NoRoom):
            return one
        if full:
            return NoRoom("The bureau has no room on its disk.", next_step=NO_ROOM_HINT)
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, outermost first; at most a few."""
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "orig", None)


def check_writing(folder: Path) -> None:
    """Write a small file into ``folder``, bring it to the disk, read it back and remove it.

    Raises ``OSError`` where that fails, with the file's name.
    """
    probe, content = folder / f".probe-{secrets.token_hex(8)}", secrets.token_bytes(_PROBE_BYTES)
    try:
        with open(probe, "xb", opener=private_opener) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if probe.read_bytes() != content:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(probe))
    finally:
        probe.unlink(missing_ok=True)
