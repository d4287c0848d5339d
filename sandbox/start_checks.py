"""What must be so before the service starts: its folders can be written, and so can the file for its port.

A service that finds this out later answers banks with faults that say nothing to its operator.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from lab.bureau.configuration.home import FOLDERS
from lab.bureau.configuration.home import SETTINGS_FILE as BUREAU_SETTINGS_FILE
from lab.terms.errors import Conflict, InvalidInput
from sandbox.settings import SETTINGS_FILE

_PROBE_BYTES = 64 * 1024
_STEPS = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room within this user's quota",
    errno.EROFS: "mount it so that it can be written, or name another --home",
    errno.EACCES: "run the service as the folder's owner",
    errno.EPERM: "run the service as the folder's owner",
    errno.ENOENT: "make the folder",
    errno.ENOTDIR: "move the file that stands where the folder should be",
    errno.EEXIST: "move the file that stands where the folder should be",
}


def check_home_writable(home: Path) -> None:
    """Write and remove a file in each folder of the bureau; raises ``Conflict`` with the folder and the reason.

    Says nothing of a folder without a bureau, which ``BureauHome.open`` refuses.
    """
    if not (home / BUREAU_SETTINGS_FILE).is_file():
        return
    if (home / SETTINGS_FILE).exists() and not (home / SETTINGS_FILE).is_file():
        raise InvalidInput(
            f"Expected a file of settings in {home / SETTINGS_FILE}; found a folder.", next_step="move it"
        )
    for folder in (home, *(home / part for part in FOLDERS)):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            _probe(folder)
        except OSError as error:
            raise cannot_write(folder, error) from None


def check_port_file(port_file: Path | None) -> None:
    """Raise ``Conflict`` if the file for the port cannot be written."""
    if port_file is None:
        return
    try:
        _probe(port_file.parent)
    except OSError as error:
        raise cannot_write(port_file.parent, error, option="--port-file") from None


def cannot_write(folder: Path, error: OSError, *, option: str = "") -> Conflict:
    """The error for a folder that cannot be written, with the reason in the system's words."""
    reason = os.strerror(error.errno).lower() if error.errno else "no reason given"
    step = _STEPS.get(error.errno or 0, "check the disk")
    what = f" for {option}" if option else ""
    return Conflict(f"Expected to write in the folder {folder}{what}; found: {reason}.", next_step=step)


def _probe(folder: Path) -> None:
    """Write a block, bring it to the disk, and remove it; raises ``OSError``."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(_PROBE_BYTES))
        os.fsync(file.fileno())
