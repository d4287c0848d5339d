"""Backs up a bureau while its service runs.

The database is copied first, then the files. A file is written before the row that names it and removed after the row,
so what the copy of the database names is there, unless it was removed in the moments between the two: then both are
taken again. The sealed secrets are copied with their store locked.

Left out, and counted: what is made again from the rest (evaluated registers, feature tables, workflows of jobs), and
what serves this machine alone (logs, bodies of requests that are being received).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine, inspect, select

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.backup.database_snapshot import SNAPSHOT_FILE, DatabaseSnapshot, take_snapshot
from lab.bureau.data.records.files.record_files import FOLDER
from lab.bureau.data.records.manifest import parse_manifest
from lab.bureau.data.records.packs.pack_list import PackList, needed_files, parse_packs
from lab.bureau.data.records.packs.pack_store import NEWEST_PACKS, packs_named
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.secret_store import SecretStore
from lab.bureau.store.tables import (
    BatchRow,
    CatalogueVersionRow,
    ContextRow,
    ModelRow,
    QualityAssessmentRow,
    RecordHeadRow,
    RegisterRow,
)
from lab.disk.backup.archive import VerifiedBackup
from lab.disk.backup.backup_keys import BackupRecipient
from lab.disk.backup.manifest import BackupFile, make_manifest
from lab.disk.backup.staging import FolderRules, StagedFolder, stage_files, staging
from lab.disk.backup.verified_writing import write_verified_backup
from lab.terms.progress import SILENT, Progress

RULES = FolderRules(
    {
        "bureau.db*": "database",
        "jobs.db*": "workflows",
        "evaluated": "evaluated",
        "features": "features",
        "executors": "machine",
        "spool": "machine",
        "logs": "machine",
    }
)
"""``database`` is counted, but the backup has it as a snapshot."""
_TRIES = 4


@dataclass(frozen=True, slots=True)
class BureauBackup:
    """A backup that was written and read back; ``damaged``: files that the database names, and that are missing or not
    as it says: the backup has them as they are."""

    backup: VerifiedBackup
    snapshot: DatabaseSnapshot
    damaged: tuple[str, ...]


def back_up_bureau(
    folder: Path, path: Path, recipients: Sequence[BackupRecipient], progress: Progress = SILENT
) -> BureauBackup:
    """Write an encrypted backup of the bureau in ``folder`` to the new file ``path``, and read it back.

    Raises ``Conflict`` if ``path`` exists or another backup is under way, ``InvalidInput`` if the database is damaged,
    and what opening the bureau's secrets raises: the bureau signs what is in a backup.
    """
    home = BureauHome.open(folder)
    keys = BureauKeys.open(home)
    with staging(home.folder) as staged:
        snapshot, files, damaged = _stage(home, staged, progress)
        manifest = make_manifest(
            "bureau",
            home.settings.name,
            keys.public_key_hex,
            version("shulab"),
            files=files,
            left_out=staged.left_out,
            facts={
                "database": snapshot.dialect,
                "migration": snapshot.migration,
                "ledger_size": snapshot.size,
                "ledger_root": snapshot.root,
                "damaged": len(damaged),
            },
        )
        written = write_verified_backup(path, recipients, manifest, keys.sign, staged.files, progress)
    return BureauBackup(written, snapshot, damaged)


def _stage(
    home: BureauHome, staged: StagedFolder, progress: Progress
) -> tuple[DatabaseSnapshot, tuple[BackupFile, ...], tuple[str, ...]]:
    """The database and the files that it names; those that are still missing after some tries are named."""
    before: set[str] | None = None
    named: dict[str, str] = {}
    for attempt in range(_TRIES):
        database = staged.folder / f"database-{attempt}"
        attempted = StagedFolder(staged.folder / f"attempt-{attempt}")
        snapshot = take_snapshot(home.database_url, database, progress)
        with SecretStore.open(home).lock():
            stage_files(attempted, home.folder, RULES, quiet=False)
        named = _named_files(database) | _named_records(database, home, attempted)
        missing = {path for path in named if path not in attempted.files}
        if not missing or missing == before:
            break
        before = missing
    attempted.add(SNAPSHOT_FILE, database)
    staged.files, staged.left_out = attempted.files, attempted.left_out
    with progress.stage("read-backup", sum(one.stat().st_size for one in staged.files.values())) as stage:
        files = staged.hashed(stage.advance)
    found = {one.path: one.sha256 for one in files}
    damaged = sorted(path for path, sha256 in named.items() if found.get(path) != sha256)
    return snapshot, files, tuple(damaged)


def _named_files(database: Path) -> dict[str, str]:
    """The files that a snapshot names, with the SHA-256 that it has of each. A database of an earlier version, which is
    backed up before it is upgraded, lacks some of the tables."""
    queries = (
        (RegisterRow, select(RegisterRow.file, RegisterRow.sha256)),
        (ModelRow, select(ModelRow.file, ModelRow.sha256)),
        (CatalogueVersionRow, select(CatalogueVersionRow.file, CatalogueVersionRow.file_sha256)),
        (QualityAssessmentRow, select(QualityAssessmentRow.file, QualityAssessmentRow.file_sha256)),
        (ContextRow, select(ContextRow.file, ContextRow.sha256)),
        (BatchRow, select(BatchRow.file, BatchRow.sha256).where(BatchRow.file.is_not(None))),
        (BatchRow, select(BatchRow.reply_file, BatchRow.reply_sha256).where(BatchRow.reply_file.is_not(None))),
    )
    engine = create_engine(f"sqlite:///{database}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            present = [query for row, query in queries if row.__tablename__ in tables]
            found = [row for query in present for row in connection.execute(query)]
            return {str(file): str(sha256) for file, sha256 in found}
    finally:
        engine.dispose()


def _named_records(database: Path, home: BureauHome, staged: StagedFolder) -> dict[str, str]:
    """The manifest of records that a snapshot names, and the files that it lists. Those that a remote store keeps
    (``records_url``) are not of the backup; what the folder has of them is a cache."""
    engine = create_engine(f"sqlite:///{database}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(RecordHeadRow.__tablename__):
                return {}  # a database of an earlier version, which is backed up before it is upgraded
            sha256 = connection.scalar(select(RecordHeadRow.manifest_sha256))
            newest = connection.scalar(NEWEST_PACKS)
    finally:
        engine.dispose()
    if sha256 is None:
        return {}
    names = [str(sha256), *([packs_named(newest)] if newest is not None else [])]
    named = {f"{FOLDER}/manifests/{name}.json": name for name in names}
    copies = [staged.files.get(path) for path in named]
    if None in copies or home.settings.records_url:
        return named
    try:
        manifest, *listing = (one.read_bytes() for one in copies if one is not None)
        packs = parse_packs(listing[0]) if listing else PackList()
        listed = needed_files(parse_manifest(manifest).segments, packs) | packs.files
    except (ValueError, TypeError, KeyError):
        return named  # its hash says that it is damaged
    return named | {f"{FOLDER}/segments/{name}": one for name, one in listed.items()}
