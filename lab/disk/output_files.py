"""Files that a person asked for: checked for writing before any work, then written whole or not at all.

A command that charges something calls ``check_output_file`` first. So a folder that is missing, read-only or full is
found while nothing has been paid for.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput, MachineFault, NotFound

_PROBE_BYTES = 4096
"""Written and removed to see whether the folder takes a file: a block, so that a full disk is found."""
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the user's share of the disk is used up",
    errno.EFBIG: "files may not be so large here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this user may not do that",
    errno.EPERM: "this user may not do that",
    errno.EIO: "the disk reports a fault",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of the path is no folder",
    errno.ENOENT: "its folder does not exist",
}
_ANOTHER_PLACE = "make it writable or free some space, or give another file"


def describe_disk_error(error: OSError) -> str:
    """In words why the system refused; without a path, which may be anything."""
    number = error.errno or 0
    words = _REASONS.get(number) or (os.strerror(number) if number else "the system gives no reason")
    return f"{words} ({errno.errorcode.get(number, 'no errno')})"


def check_output_file(path: Path) -> None:
    """Try whether ``path`` can be written, and leave it as it is.

    Raises ``NotFound`` if its folder does not exist, ``InvalidInput`` if it is no plain file, ``MachineFault`` if the
    system refuses to write it.
    """
    place = path.absolute()
    try:
        if not place.parent.exists():
            raise NotFound(f"The folder for {path.name} does not exist.", next_step="create it, or give another file")
        if place.exists() and not place.is_file():
            raise InvalidInput(
                f"Expected a plain file as {path.name}; found a folder or a device.", next_step="give another file"
            )
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{path.name}.", suffix=".partial") as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise _not_written(path, error) from None


def write_output_file(path: Path, content: bytes) -> None:
    """Write or replace a file of mode 0600; raises ``MachineFault`` where it cannot be written, and leaves it then."""
    try:
        replace_private(path.absolute(), content)
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> MachineFault:
    return MachineFault(
        f"Expected to write {path.name}; the system refused: {describe_disk_error(error)}.", next_step=_ANOTHER_PLACE
    )
