"""Brings a bureau to this version of the program: a backup, the migrations, a check of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.backup.database_snapshot import check_ledger
from lab.bureau.data.backup.home_backup import BureauBackup, back_up_bureau
from lab.bureau.store import migrate, open_database, schema_differences
from lab.bureau.store.migrate import check_not_newer, database_version, newest_migration
from lab.bureau.store.outage_reasons import lost_database
from lab.disk.backup.backup_keys import BackupRecipient
from lab.terms.errors import InvalidInput
from lab.terms.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class BureauUpgrade:
    """From which migration to which, and the backup of before."""

    before: str
    after: str
    backup: BureauBackup


def find_upgrade(folder: Path) -> tuple[str, str]:
    """The migration that the bureau's database has, and the one that this program needs.

    Raises ``NotFound`` without a database, ``Conflict`` for a database of a later version.
    """
    store = open_database(BureauHome.open(folder).database_url, existing=True)
    try:
        with store.engine.connect() as connection:
            before = database_version(connection)
    finally:
        store.close()
    if before is None:
        raise lost_database()
    check_not_newer(before)
    return before, newest_migration()


def upgrade_bureau(
    folder: Path, path: Path, recipients: Sequence[BackupRecipient], progress: Progress = SILENT
) -> BureauUpgrade:
    """Back up the bureau to the new file ``path`` and migrate its database. The service must not run meanwhile.

    Raises ``Conflict`` for a database of a later version, ``InvalidInput`` if the result is not as it should be: then
    the backup is the way back, with the former program. A migration that fails changes nothing.
    """
    before, after = find_upgrade(folder)
    made = back_up_bureau(folder, path, recipients, progress)
    store = open_database(BureauHome.open(folder).database_url, existing=True)
    try:
        migrate(store.engine)
        with store.engine.connect() as connection:
            size, root = check_ledger(connection)
        if schema_differences(store.engine) or (size, root) != (made.snapshot.size, made.snapshot.root):
            raise InvalidInput(
                f"The database is not as migration {after} should leave it.",
                next_step=f"start no service; restore {path.name} with the former version, and report this",
            )
    finally:
        store.close()
    return BureauUpgrade(before, after, made)
