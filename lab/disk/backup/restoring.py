"""A new folder from a backup: everything is checked, then written beside the place, and then takes its name.

So there is never half a folder under the name, and a backup that does not hold writes nothing at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.disk.backup.archive import VerifiedBackup, extract_backup, verify_backup
from lab.disk.backup.backup_keys import BackupKey
from lab.disk.backup.manifest import BackupParty
from lab.disk.private_files import sync_folder
from lab.terms.errors import Conflict, InvalidInput, NotAllowed
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.progress import SILENT, Progress

_SPARE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RestoredFolder:
    """A folder that has everything in it but its name yet, and the backup that it is from."""

    draft: Path
    backup: VerifiedBackup


@contextmanager
def restoring(
    path: Path,
    key: BackupKey,
    party: BackupParty,
    home: Path,
    *,
    fingerprint: str | None = None,
    progress: Progress = SILENT,
) -> Iterator[RestoredFolder]:
    """Restore into a draft beside ``home``, which takes the name ``home`` when the block ends without an error.

    ``home`` must be missing or empty. ``fingerprint``: of the party's key, as somebody knows it by another channel.
    Raises ``Conflict`` for a folder with something in it, ``NotAllowed`` without room, and what ``verify_backup`` and
    ``check_fingerprint`` raise.
    """
    home = home.expanduser().absolute()
    check_empty(home)
    checked = verify_backup(path, key, party, progress=progress)
    if fingerprint is not None:
        check_fingerprint(fingerprint, checked.manifest.public_key, whose=f"the {party}")
    home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_room(home.parent, checked.manifest.size)
    draft = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}.restoring-"))
    try:
        extract_backup(path, key, checked, draft, progress=progress)
        yield RestoredFolder(draft, checked)
        check_empty(home)
        try:
            os.rename(draft, home)  # replaces an empty folder in one step
        except OSError:
            raise InvalidInput(
                f"Expected {home.name} to be a folder that can be replaced; it is the root of a mounted disk.",
                next_step="restore into a folder inside it",
            ) from None
        sync_folder(home.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_empty(home: Path) -> None:
    """Raise ``Conflict`` unless ``home`` is missing, or an empty folder."""
    if home.is_symlink() or (home.exists() and (not home.is_dir() or any(home.iterdir()))):
        raise Conflict(
            f"Expected an empty or new folder to restore into; {home} has something in it.",
            next_step="name another --home, or move the folder away; a restore never writes over anything",
        )


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise NotAllowed(
            f"Expected room for {size:,} bytes; the disk has {free:,} free.",
            next_step="free some space, or restore to another disk",
        )
