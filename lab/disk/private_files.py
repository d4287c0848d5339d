"""Private files and folders: only their owner may read them, and they are written whole or not at all.

Every writer here returns when the content and the name are on the disk, so that both survive a power cut.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from lab.terms.errors import Conflict, NotAllowed, NotFound

_OTHERS = 0o077
"""Permission bits of everybody but the owner."""


class PrivacyFault(Enum):
    """Why a file or folder is not private."""

    KIND = auto()  # a link, or another kind of file
    OWNER = auto()  # another user's
    MODE = auto()  # others may read or enter it


def find_privacy_fault(found: os.stat_result, *, folder: bool) -> PrivacyFault | None:
    """The first reason why a folder (or, with ``folder`` False, a file) of this status is not private; else None."""
    if not (stat.S_ISDIR(found.st_mode) if folder else stat.S_ISREG(found.st_mode)):
        return PrivacyFault.KIND
    if found.st_uid != os.geteuid():
        return PrivacyFault.OWNER
    return PrivacyFault.MODE if found.st_mode & _OTHERS else None


def check_private(folder: Path) -> None:
    """Raise ``NotAllowed`` unless ``folder`` is a directory of this user that nobody else may enter."""
    found = folder.lstat()
    match find_privacy_fault(found, folder=True):
        case PrivacyFault.KIND:
            raise NotAllowed(
                "Expected a folder; found another kind of file (links are not followed).", next_step="move it"
            )
        case PrivacyFault.OWNER:
            raise NotAllowed(
                "Expected a folder of the user who runs this; it belongs to another user.",
                next_step="correct its owner",
            )
        case PrivacyFault.MODE:
            raise NotAllowed(
                f"Expected a folder that only its owner may read (mode 0700); found mode {_mode(found):04o}.",
                next_step="run `chmod 700` on the folder, and ask who could read it meanwhile",
            )


def read_private(path: Path, *, follow_links: bool = False) -> bytes:
    """The bytes of a file that only its owner may read; raises ``NotFound`` or ``NotAllowed``.

    ``follow_links``: for a file that the user names, such as a secret that an orchestrator mounts behind a link. Its
    owner may then be another user; its mode still counts.
    """
    try:
        # O_NONBLOCK: a pipe in the file's place is refused, and not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW))
    except FileNotFoundError:
        raise NotFound(f"Expected the file {path.name}; there is none.", next_step="check the path") from None
    except OSError:
        raise NotAllowed(
            f"Expected to read {path.name}; it cannot be opened.", next_step="check its owner and mode"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise NotAllowed(f"Expected a file in {path.name}; found another kind.", next_step="check the path")
        if found.st_mode & _OTHERS:
            raise NotAllowed(
                f"Expected {path.name} readable by its owner alone (mode 0600); found mode {_mode(found):04o}.",
                next_step="run `chmod 600` on it, and ask who could read it meanwhile",
            )
        return file.read()


def ensure_private_file(path: Path) -> None:
    """Make an empty file of mode 0600 if there is none; raises ``NotAllowed`` if others may read it, or for a link."""
    try:
        os.close(private_opener(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        sync_folder(path.parent)
    except FileExistsError:
        if find_privacy_fault(path.lstat(), folder=False) is not None:
            raise NotAllowed(
                f"Expected {path.name} as a file that its owner alone may read (mode 0600); found otherwise.",
                next_step="run `chmod 600` on it, and ask who could read it meanwhile",
            ) from None


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600; raises ``Conflict`` if it exists."""
    with create_private(path) as file:
        file.write(content)


@contextmanager
def create_private(path: Path) -> Iterator[BinaryIO]:
    """A new file of mode 0600 to write to; it gets its name when the block ends without an error.

    Raises ``Conflict`` then if the name is taken, and ``OSError`` where the file cannot be made.
    """
    with _draft(path) as (file, draft):
        yield file
        _finish(file)
        try:
            os.link(draft, path)
        except FileExistsError:
            raise Conflict(
                f"Expected to write {path.name}; it exists already.", next_step="choose another name or folder"
            ) from None
    sync_folder(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Write or replace a file of mode 0600."""
    with _draft(path) as (file, draft):
        file.write(content)
        _finish(file)
        os.replace(draft, path)
    sync_folder(path.parent)


def move_private(finished: Path, path: Path) -> None:
    """Give ``finished``, a file on the same disk, its name and mode 0600."""
    finished.chmod(0o600)
    _sync(finished)
    os.replace(finished, path)
    sync_folder(path.parent)


def private_opener(path: str | os.PathLike[str], flags: int) -> int:
    """For ``open(..., opener=private_opener)``: a file that is made gets mode 0600."""
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, so that a renamed or removed file stays so after a power cut."""
    _sync(folder)


@contextmanager
def _draft(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file beside ``path`` under a name of its own, which is gone after the block."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, Path(name)
    except OSError as error:
        if error.filename is None:  # as of a write to a full disk
            error.filename = os.fspath(path)
        raise
    finally:
        Path(name).unlink(missing_ok=True)


def _finish(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode(found: os.stat_result) -> int:
    return stat.S_IMODE(found.st_mode)
