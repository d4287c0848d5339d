"""The bureau's database as of one moment, as an SQLite file, while the service writes to it; and back.

SQLite is copied by its backup interface, PostgreSQL row by row in one read-only transaction (REPEATABLE READ), which
sees the rows of one moment and waits for nobody. The snapshot is checked before it counts: by SQLite's own check, its
foreign keys, and the ledger, whose entries must hash to their leaves and to the newest signed head.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url, select, text
from sqlalchemy.exc import OperationalError

from lab.bureau.data.backup.table_copy import check_no_tables, copy_rows
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.migrate import database_version
from lab.bureau.store.tables import LedgerEntryRow, LedgerSizeRow, TreeHeadRow
from lab.disk.backup.staging import copy_sqlite
from lab.terms.errors import InvalidInput, NotFound, Unreachable
from lab.terms.ledger.tree import MerkleTree, hash_leaf
from lab.terms.progress import SILENT, Progress

SNAPSHOT_FILE = "bureau.db"
_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """A checked snapshot: the database it is from, its migration, and its ledger: number of entries, root over them."""

    dialect: str
    migration: str
    size: int
    root: str


def take_snapshot(url: str, target: Path, progress: Progress = SILENT) -> DatabaseSnapshot:
    """Write the database at ``url`` to the new SQLite file ``target`` and check it.

    Raises ``NotFound`` for a database without tables, ``Unreachable``, and ``InvalidInput`` if it is damaged.
    """
    parsed = make_url(url)
    dialect = parsed.get_backend_name()
    if dialect == "sqlite":
        copy_sqlite(Path(parsed.database or ""), target)
    else:
        _export(url, target, progress)
    version, size, root = check_snapshot(target)
    return DatabaseSnapshot(dialect, version, size, root)


def check_snapshot(file: Path) -> tuple[str, int, str]:
    """The migration, size and root of a snapshot; raises ``InvalidInput`` if it contradicts itself."""
    engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            version = database_version(connection)
            if version is None:
                raise NotFound("Expected the tables of a bureau; the database has none.", next_step="check the folder")
            if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
                raise InvalidInput(
                    "The database is damaged: a row refers to one that is missing.",
                    next_step="restore the last good backup; do not replace it by this state",
                )
            size, root = check_ledger(connection)
    finally:
        engine.dispose()
    return version, size, root


def check_ledger(connection: Connection) -> tuple[int, str]:
    """The number of entries and the root over them (hexadecimal), computed from the entries' own bytes.

    Raises ``InvalidInput`` for a missing or altered entry, or entries that contradict the newest signed head.
    """
    tree, leaves = MerkleTree(), list[bytes]()
    entries = select(LedgerEntryRow.seq, LedgerEntryRow.body, LedgerEntryRow.leaf).order_by(LedgerEntryRow.seq)
    for seq, body, leaf in connection.execute(entries, execution_options={"yield_per": _PAGE}):
        found = hash_leaf(body.encode())
        if seq != len(tree) + len(leaves) + 1 or found.hex() != leaf:
            raise _damaged_ledger(len(tree) + len(leaves) + 1)
        leaves.append(found)
        if len(leaves) == _PAGE:
            tree.extend(leaves)
            leaves.clear()
    tree.extend(leaves)
    size = len(tree)
    if connection.scalar(select(LedgerSizeRow.size)) != size:
        raise _damaged_ledger(size + 1)
    head = connection.execute(
        select(TreeHeadRow.size, TreeHeadRow.root).order_by(TreeHeadRow.size.desc()).limit(1)
    ).first()
    if head is not None and (head.size > size or tree.get_root(head.size).hex() != head.root):
        raise _damaged_ledger(min(head.size, size))
    return size, tree.get_root(size).hex() if size else hashlib.sha256(b"").hexdigest()


def load_snapshot(file: Path, url: str, progress: Progress = SILENT) -> None:
    """Bring a snapshot into the empty database at ``url``, in one transaction; raises ``Conflict`` if it has tables."""
    source = create_engine(f"sqlite:///{file}", hide_parameters=True)
    target = open_database(url)
    try:
        check_no_tables(target.engine)
        with source.connect() as read:
            version = database_version(read)
            migrate(target.engine, version)
            with target.engine.begin() as write:
                copy_rows(read, write, progress)
    finally:
        source.dispose()
        target.close()


def _export(url: str, target: Path, progress: Progress) -> None:
    source: Database = open_database(url)
    made = open_database(f"sqlite:///{target}")
    try:
        with source.engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        ) as read:
            version = database_version(read)
            if version is None:
                raise NotFound("Expected the tables of a bureau; the database has none.", next_step="check the address")
            migrate(made.engine, version)
            with made.engine.begin() as write:
                copy_rows(read, write, progress)
    except OperationalError:
        raise Unreachable(
            "The bureau's database stopped answering during the backup.", next_step="start it, and back up again"
        ) from None
    finally:
        source.close()
        made.close()
    with closing(sqlite3.connect(target)) as connection:  # one file, without a log beside it
        connection.execute("PRAGMA journal_mode = DELETE")


def _damaged_ledger(entry: int) -> InvalidInput:
    return InvalidInput(
        f"The ledger in the database is damaged at entry {entry}: it is not what the bureau signed.",
        next_step="keep your earlier backups; compare with an export or a copy of the database",
    )
