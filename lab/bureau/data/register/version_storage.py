"""Storing a prepared register as its next version: files, rows and the ledger entry become visible together."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality import column_report_file, dump_column_reports
from lab.bureau.data.register.comparison import RegisterComparison, save_comparison
from lab.bureau.data.register.preparation import PreparedRegister, RegisterLayout
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import RegisterRow
from lab.disk.checked_blocks import write_digests
from lab.disk.locks import lock_folder
from lab.disk.private_files import move_private, replace_private
from lab.tables.table_reader import hash_file
from lab.terms.errors import Conflict


def _nothing_more(session: Session, row: RegisterRow) -> Mapping[str, Fact]:
    """For a version that comes from a file: the file's hash says it."""
    return {}


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """What a version comes from: the SHA-256 of its source, the kind of its ledger entry, and what else is stored of
    its origin in the same transaction (``save`` returns the facts of it for the entry)."""

    source_sha256: str
    entry_kind: str = "register.imported"
    save: Callable[[Session, RegisterRow], Mapping[str, Fact]] = _nothing_more


@contextmanager
def version_folder(home: BureauHome, name: str) -> Iterator[Path]:
    """An empty folder for one new version of a register at a time, removed at the end."""
    with lock_folder(home.path(f"registers/.{name}")) as place:
        for left in place.glob("import-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix="import-") as folder:
            yield Path(folder)


def store_version(
    store: Database,
    home: BureauHome,
    name: str,
    layout: RegisterLayout,
    found: PreparedRegister,
    comparison: RegisterComparison,
    origin: VersionOrigin,
) -> tuple[RegisterRow, Path | None]:
    """The new version's row, and the file of the rows set aside; ``Conflict`` if another was stored meanwhile."""
    sha256 = hash_file(found.file)
    reports = dump_column_reports(comparison.reports)
    with store.begin() as session:
        newest = session.scalar(select(func.max(RegisterRow.version)).where(RegisterRow.name == name))
        version = (newest or 0) + 1
        file = f"registers/{name}-{version}.parquet"
        row = RegisterRow(
            name=name,
            version=version,
            id_column=layout.id_column,
            id_kind=layout.id_kind,
            rows=found.rows,
            set_aside=found.set_aside,
            columns=json.dumps([item.column for item in comparison.items], ensure_ascii=False),
            file=file,
            sha256=sha256,
            source_sha256=origin.source_sha256,
            imported_at=datetime.now(UTC),
            columns_sha256=hashlib.sha256(reports).hexdigest(),
        )
        session.add(row)
        try:
            # The row comes before the file: only the writer of this version's row may write its file.
            session.flush()
        except IntegrityError:
            raise Conflict("Another import of this register ended just now.", next_step="import again") from None
        save_comparison(session, name, version, comparison)
        move_private(found.file, home.path(file))
        replace_private(home.path(column_report_file(name, version)), reports)
        for written in (file, column_report_file(name, version)):
            write_digests(home.path(written), identity=written)
        rejected = None
        if found.rejected is not None:
            rejected = home.path(f"registers/{name}-{version}.rejected.csv")
            move_private(found.rejected, rejected)
        facts: dict[str, Fact] = {
            "register": name,
            "version": version,
            "rows": row.rows,
            "set_aside": row.set_aside,
            "columns": len(comparison.items),
            "drift_accepted": comparison.accepted_count,
            "sha256": sha256,
            "source_sha256": origin.source_sha256,
            **origin.save(session, row),
        }
        record(session, origin.entry_kind, None, facts, by=LOCAL_ACTOR)
    return row, rejected
