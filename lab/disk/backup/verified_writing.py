"""Writes a backup and reads it back from the disk, also when only others can open it.

A backup gets one recipient more than asked for: a key that lives as long as this call. So what was written is read back
and checked from end to end before anybody relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.disk.backup.archive import VerifiedBackup, verify_backup, write_backup
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.backup.manifest import BackupManifest
from lab.disk.output_files import describe_disk_error
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.progress import SILENT, Progress


def write_verified_backup(
    path: Path,
    recipients: Sequence[BackupRecipient],
    manifest: BackupManifest,
    sign: Callable[[bytes], bytes],
    sources: Mapping[str, Path],
    progress: Progress = SILENT,
) -> VerifiedBackup:
    """Write the backup for all ``recipients`` and verify it; a file that does not hold is removed.

    Raises what ``write_backup`` and ``verify_backup`` raise, and ``InvalidInput`` without a recipient.
    """
    if not recipients:
        raise InvalidInput(
            "Expected a public key to encrypt the backup for; found none.", next_step="give --recipient age1..."
        )
    key = BackupKey.generate()
    everybody = [*recipients, BackupRecipient(key.recipient)]
    try:
        written = write_backup(path, everybody, manifest, sign, sources, progress)
    except OSError as error:
        raise NotAllowed(
            f"Expected to write {path.name}; the system refused: {describe_disk_error(error)}.",
            next_step="look at the free space and the folder's owner; there is no backup of that name",
        ) from error
    try:
        found = verify_backup(path, key, manifest.party, progress=progress)
        if found != written:
            raise InvalidInput("The backup on the disk is not the one that was written.", next_step="check the disk")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return written
