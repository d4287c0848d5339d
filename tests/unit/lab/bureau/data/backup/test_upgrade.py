"""Upgrades: backed up, migrated, checked; a database of another version is an error with a next step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy

from lab.bureau.bureau import Bureau
from lab.bureau.data.backup.home_restore import RestoreOptions, restore_bureau
from lab.bureau.data.backup.upgrade import find_upgrade, upgrade_bureau
from lab.bureau.store import open_database
from lab.bureau.store.migrate import newest_migration
from lab.bureau.store.tables import RegisterRow
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.disk.checked_blocks import CheckedBlocks, table_path
from lab.terms.errors import Conflict, NotFound

KEY = BackupKey.generate()
RECIPIENTS = [BackupRecipient(KEY.recipient)]
FORMER = "0010"


LATER_TABLES = (
    *("data_request_items", "data_requests", "superseded_versions", "repair_cases", "repair_rules"),
    *("quality_assessments", "register_origins", "feature_tables", "legacy_code_tables", "deliveries"),
    *("record_heads", "catalogue_versions", "write_checks"),
)
"""The tables that came after ``FORMER``, those that point at others first."""


def set_version(url: str, version: str, *, drop: Sequence[str] = ()) -> None:
    store = open_database(url)
    with store.engine.begin() as connection:
        for table in drop:
            connection.execute(sqlalchemy.text(f"DROP TABLE {table}"))
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    store.close()


@pytest.fixture
def former(tmp_path: Path, database_url: str) -> Path:
    """A bureau of the version before the last migration."""
    Bureau.create(tmp_path / "home", name="某局", database_url=database_url).close()
    set_version(database_url, FORMER, drop=LATER_TABLES)
    return tmp_path / "home"


def test_an_older_database_is_upgraded_after_a_backup_that_restores(former: Path, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=f"migration {FORMER}, this one needs {newest_migration()}.*lab bureau upgrade"):
        Bureau.open(former)
    assert find_upgrade(former) == (FORMER, newest_migration())
    done = upgrade_bureau(former, tmp_path / "b.age", RECIPIENTS)
    assert (done.before, done.after) == (FORMER, newest_migration())
    assert done.backup.backup.manifest.facts["migration"] == FORMER
    with Bureau.open(former) as bureau:
        assert bureau.readiness()["ready"]
    assert find_upgrade(former)[0] == newest_migration()
    restored = restore_bureau(tmp_path / "b.age", KEY, tmp_path / "new", RestoreOptions(database_url="sqlite"))
    assert restored.statement.facts.size == done.backup.snapshot.size
    with Bureau.open(tmp_path / "new"):
        pass


def test_a_newer_database_is_refused_by_a_next_step(former: Path, tmp_path: Path, database_url: str) -> None:
    set_version(database_url, "9999")
    for call in (lambda: Bureau.open(former), lambda: upgrade_bureau(former, tmp_path / "b.age", RECIPIENTS)):
        with pytest.raises(Conflict, match="later version of this program: it has migration 9999"):
            call()
    assert not (tmp_path / "b.age").exists()


@pytest.mark.parametrize("emptied", [False, True])
def test_a_lost_database_is_never_made_anew_under_the_bureaus_key(tmp_path: Path, emptied: bool) -> None:
    folder = tmp_path / "home"
    Bureau.create(folder, name="某局").close()
    database = folder / "bureau.db"
    database.unlink()
    if emptied:
        database.touch(mode=0o600)
    for call in (lambda: Bureau.open(folder), lambda: find_upgrade(folder)):
        with pytest.raises(NotFound, match=r"missing or empty.*lab bureau restore"):
            call()
    assert database.exists() == emptied


def test_files_of_a_version_without_digests_get_theirs_if_they_are_as_they_were_imported(
    former: Path, tmp_path: Path, database_url: str
) -> None:
    intact, damaged = former / "registers" / "main-1.parquet", former / "registers" / "main-2.parquet"
    store = open_database(database_url)
    with store.begin() as session:
        for version, path in ((1, intact), (2, damaged)):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(b"rows")
            session.add(
                RegisterRow(
                    name="main",
                    version=version,
                    id_column="code",
                    id_kind="uscc",
                    rows=1,
                    set_aside=0,
                    columns="[]",
                    file=f"registers/{path.name}",
                    sha256=hashlib.sha256(b"rows").hexdigest(),
                    source_sha256="0" * 64,
                    imported_at=datetime.now(UTC),
                )
            )
    store.close()
    damaged.write_bytes(b"mows")
    upgrade_bureau(former, tmp_path / "b.age", RECIPIENTS)
    CheckedBlocks(intact, identity="registers/main-1.parquet").read_block(0)
    assert not table_path(damaged).exists()
