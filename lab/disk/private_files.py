"""Files that are the owner's alone: written complete or not at all, and refused when others could have read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lab.terms.errors import Conflict, NotAllowed, NotFound


def check_private(folder: Path) -> None:
    """Raise ``NotAllowed`` unless ``folder`` is a directory of this user's that nobody else may enter."""
    found = folder.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        raise NotAllowed("Wanted a folder; found another kind of file (links are not followed).", next_step="move it")
    if found.st_uid != os.geteuid():
        raise NotAllowed("Wanted a folder of the user who runs this; it is another's.", next_step="correct its owner")
    if mode & 0o077:
        raise NotAllowed(
            f"Wanted a folder that only its owner may read (mode 0700); found mode {mode:04o}.",
            next_step="run `chmod 700` on the folder, and ask who could read it meanwhile",
        )


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner may read; raises ``NotFound`` or ``NotAllowed``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFound(f"Wanted the file {path.name}; there is none.", next_step="check the path") from None
    except OSError:
        raise NotAllowed(
            f"Wanted to read {path.name}; it cannot be opened.", next_step="check its owner and mode"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            raise NotAllowed(f"Wanted a file in {path.name}; found another kind.", next_step="check the path")
        if mode & 0o077:
            raise NotAllowed(
                f"Wanted {path.name} readable by its owner alone (mode 0600); found mode {mode:04o}.",
                next_step="run `chmod 600` on it, and ask who could read it meanwhile",
            )
        return file.read()


def ensure_private_file(path: Path) -> None:
    """Make an empty file of mode 0600 if there is none; raises ``NotAllowed`` if others may read it, or for a link."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(path.parent)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise NotAllowed(
                f"Wanted {path.name} as a file that its owner alone may read (mode 0600); found otherwise.",
                next_step="run `chmod 600` on it, and ask who could read it meanwhile",
            ) from None


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600, complete or not at all; raises ``Conflict`` if it exists."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        raise Conflict(f"Wanted to write {path.name}; it exists already.", next_step="choose another folder") from None
    finally:
        partial.unlink(missing_ok=True)


def replace_private(path: Path, content: bytes) -> None:
    """Write or replace a file of mode 0600, complete or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.fresh")
    fresh.unlink(missing_ok=True)
    write_private(fresh, content)
    os.replace(fresh, path)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to disk, so that a renamed file survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
