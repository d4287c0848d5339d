"""Backs up a bank's folder while its jobs run, restores it, and brings it to this version of the program.

A run keeps what it has paid for in files that are written whole. Each run's folder is copied at a moment at which
nothing in it changes, so that a restored run is resumed without new charges. Evaluations are in an SQLite file, which
is copied by SQLite's backup interface. Left out, and counted: set-ups of registers, which a bureau sends again free of
charge, and what is being removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lab.bank.backup.folder_upgrade import check_former_files, upgrade_folder
from lab.bank.home import FOLDER_FORMAT, BankHome
from lab.bank.keys import BankKeys
from lab.bank.runs.store import finished_runs
from lab.disk.backup.archive import VerifiedBackup
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.backup.manifest import make_manifest
from lab.disk.backup.restoring import restoring
from lab.disk.backup.staging import FolderRules, stage_files, staging
from lab.disk.backup.verified_writing import write_verified_backup
from lab.terms.errors import NotAuthentic
from lab.terms.progress import SILENT, Progress

RULES = FolderRules({"setups": "setups", "leaving": "leaving"})


def back_up_bank(
    home: BankHome,
    keys: BankKeys,
    path: Path,
    recipients: Sequence[BackupRecipient],
    progress: Progress = SILENT,
) -> VerifiedBackup:
    """Write an encrypted backup of the bank's folder to the new file ``path``, and read it back.

    The bank signs it with its current key. Raises ``Conflict`` if ``path`` exists, another backup is under way, or a
    run never rests, and ``InvalidInput`` for a damaged store of evaluations.
    """
    with staging(home.folder) as staged:
        stage_files(staged, home.folder, RULES, quiet=True)
        with progress.stage("read-backup", sum(one.stat().st_size for one in staged.files.values())) as stage:
            files = staged.hashed(stage.advance)
        manifest = make_manifest(
            "bank",
            home.name,
            keys.public_key_hex,
            version("shulab"),
            files=files,
            left_out=staged.left_out,
            facts={"format": home.format, "key_file": str(home.key_file) if home.key_file else None},
        )
        return write_verified_backup(path, recipients, manifest, keys.sign, staged.files, progress)


def restore_bank(
    path: Path,
    key: BackupKey,
    folder: Path,
    *,
    fingerprint: str | None = None,
    progress: Progress = SILENT,
) -> VerifiedBackup:
    """Restore a bank into the new or empty ``folder``; raises what ``restoring`` raises, and ``NotAuthentic`` if the
    folder in the backup is not of the bank that signed it.

    The tree heads of bureaus go back with the rest: the first answer of each bureau brings them forward again.
    """
    with restoring(path, key, "bank", folder, fingerprint=fingerprint, progress=progress) as restored:
        found = BankHome.open(restored.draft, earlier=True)
        if restored.backup.manifest.public_key not in found.own_public_keys:
            raise NotAuthentic(
                "The settings in the backup name another bank's key than the one that signed it.",
                next_step="take another backup",
            )
    return restored.backup


def upgrade_bank(
    home: BankHome,
    keys: BankKeys,
    path: Path,
    recipients: Sequence[BackupRecipient],
    progress: Progress = SILENT,
) -> VerifiedBackup:
    """Back up the bank to the new file ``path`` and bring its folder to this version's format; returns the backup.

    No job may run meanwhile. Raises ``InvalidInput`` for a contract, pin or run that cannot be read, before anything is
    changed.
    """
    check_readable(home)
    made = back_up_bank(home, keys, path, recipients, progress)
    upgrade_folder(home)
    check_readable(BankHome.open(home.folder))
    return made


def check_readable(home: BankHome) -> None:
    """Raise ``InvalidInput`` unless every pin, contract and manifest of a run can be read, by this version or, in a
    folder of an earlier format, for its upgrade."""
    if home.format < FOLDER_FORMAT:
        check_former_files(home)
        return
    home.pins()
    for contract_file in sorted((home.folder / "contracts").glob("*.v*.json")):
        contract, _, number = contract_file.stem.rpartition(".v")
        if number.isdigit():
            home.contract(contract, int(number))
    finished_runs(home.runs, home.matches)
