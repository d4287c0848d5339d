"""Brings a bureau to this version of the program: a backup, the migrations, a check of the result, missing digests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.backup.database_snapshot import check_ledger
from lab.bureau.data.backup.home_backup import BureauBackup, back_up_bureau
from lab.bureau.data.quality import column_report_file
from lab.bureau.store import Database, migrate, open_database, schema_differences
from lab.bureau.store.migrate import check_not_newer, database_version, newest_migration
from lab.bureau.store.outage_reasons import lost_database
from lab.bureau.store.tables import ModelRow, RegisterRow
from lab.disk.backup.backup_keys import BackupRecipient
from lab.disk.checked_blocks import table_path, write_digests
from lab.tables.table_reader import hash_file
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
    home = BureauHome.open(folder)
    store = open_database(home.database_url, existing=True)
    try:
        migrate(store.engine)
        with store.engine.connect() as connection:
            size, root = check_ledger(connection)
        if schema_differences(store.engine) or (size, root) != (made.snapshot.size, made.snapshot.root):
            raise InvalidInput(
                f"The database is not as migration {after} should leave it.",
                next_step=f"start no service; restore {path.name} with the former version, and report this",
            )
        _add_digests(home, store)
    finally:
        store.close()
    return BureauUpgrade(before, after, made)


def _add_digests(home: BureauHome, store: Database) -> None:
    """Write the digests that ``lab doctor --deep`` reads for files of a version that wrote none.

    A file whose hash is not the one in the database gets none: it is damaged, and is refused as such.
    """
    files, sheets = _hashes(store)
    for pattern in ("registers/*.parquet", "registers/*.columns.json", "models/*.json"):
        for path in sorted(home.folder.glob(pattern)):
            file, found = path.relative_to(home.folder).as_posix(), hash_file(path)
            if not table_path(path).exists() and (found == files.get(file) or (file not in files and found in sheets)):
                write_digests(path, identity=file)


def _hashes(store: Database) -> tuple[dict[str, str], set[str]]:
    """The hashes of registers and models by their files, relative to the home, and those of the models' sheets."""
    files: dict[str, str] = {}
    sheets: set[str] = set()
    with store.begin_read() as session:
        for register in session.scalars(select(RegisterRow)):
            files[register.file] = register.sha256
            if register.columns_sha256 is not None:
                files[column_report_file(register.name, register.version)] = register.columns_sha256
        for model in session.scalars(select(ModelRow)):
            files[model.file] = model.sha256
            sheets.update(json.loads(model.sheets).values())
    return files, sheets
