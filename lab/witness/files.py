"""Files of a witness: whole or not at all, the owner's alone, and on the disk before anybody is told."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.terms.errors import NotAllowed, NotFound


def check_private_folder(folder: Path) -> None:
    """Raise ``NotAllowed`` unless ``folder`` is a folder of this user's that nobody else may enter."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotAllowed(
            "Wanted a witness's folder of this user's that nobody else may enter (mode 0700); found otherwise.",
            next_step="run `chmod 700` on it, and ask who could read it meanwhile",
        )


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner may read; raises ``NotFound`` or ``NotAllowed``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFound(f"Wanted the file {path.name}; there is none.", next_step="bring it from a backup") from None
    except OSError:
        raise NotAllowed(f"Wanted to read {path.name}; it cannot be opened.", next_step="check its owner") from None
    with os.fdopen(descriptor, "rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise NotAllowed(
                f"Wanted {path.name} readable by its owner alone (mode 0600); found otherwise.",
                next_step="run `chmod 600` on it, and ask who could read it meanwhile",
            )
        return file.read()


def replace_durably(path: Path, content: bytes) -> None:
    """Write or replace a file of mode 0600; when this returns, it is on the disk under its name, also after a power
    cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """One thread of one process at a time, by a lock on the file ``path``, which is made; a dead process lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this open file, so two threads exclude each other as well
        yield
    finally:
        os.close(descriptor)
