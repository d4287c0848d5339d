"""Importing a register file as a new version: all of it or nothing; earlier versions stay as they are.

The file is read in chunks, sorted by identifier on disk if it is large, and written in that order; memory does not grow
with it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import describe_columns
from lab.bureau.data.quality import DriftFinding, column_report_file, dump_column_reports
from lab.bureau.data.register.comparison import (
    DriftPolicy,
    RegisterComparison,
    compare_register,
    save_comparison,
)
from lab.bureau.data.register.preparation import PreparedRegister, RegisterLayout, prepare_register
from lab.bureau.data.register.row_validation import (
    choose_columns,
)
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import RegisterRow
from lab.disk.checked_blocks import write_digests
from lab.disk.locks import lock_folder
from lab.disk.private_files import move_private, replace_private
from lab.tables.cells.column_kinds import ColumnSummary
from lab.tables.table_reader import hash_file, open_table
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.identifiers import note_sentences
from lab.terms.names import is_slug
from lab.terms.progress import SILENT, Progress

MAX_BYTES = 1 << 36  # 64 GiB: some hundred million rows, or tens of millions with a hundred items each


@dataclass(frozen=True, slots=True)
class RegisterImport:
    """The result of an import. ``rejection_counts``: rows set aside, by reason; ``rejected_file`` lists them."""

    register: str
    version: int
    rows: int
    set_aside: int
    rejection_counts: Mapping[str, int]
    columns: tuple[str, ...]
    undescribed: tuple[str, ...]
    encoding: str
    sha256: str
    rejected_file: Path | None
    warnings: tuple[str, ...]
    column_summaries: tuple[ColumnSummary, ...]
    drift: Mapping[str, Sequence[DriftFinding]]
    """What changed since the previous version, and since each model was trained, by the name of what it is compared
    with."""


def import_register(
    store: Database,
    home: BureauHome,
    source: Path,
    layout: RegisterLayout,
    *,
    name: str = "main",
    policy: DriftPolicy | None = None,
    progress: Progress = SILENT,
) -> RegisterImport:
    """Import a table as the next version of register ``name``.

    It is compared with the version before it and with the models of ``policy``; what is too far from them stops the
    import, unless ``policy`` accepts it. Bad and repeated rows are set aside with row number and reason in
    ``registers/NAME-VERSION.rejected.csv``. The rows, the snapshot's hash and the ledger entry become visible in one
    transaction; the next import removes files of one that was killed. Raises ``InvalidInput`` if no row is good or a
    column is missing, or for what is too far from before, ``Conflict`` if another import of
    the register ends at the same time.
    """
    if not is_slug(name):
        raise InvalidInput(
            "Expected a register name of lower-case letters, digits, dots, hyphens.", next_step="check --register"
        )
    table = open_table(source, max_bytes=MAX_BYTES)
    chosen = choose_columns(table.columns, layout.id_column, layout.columns)
    with _import_folder(home, name) as folder:
        found = prepare_register(table, folder, layout, chosen, progress)
        items = describe_columns(name, chosen, layout.descriptions)
        comparison = compare_register(store, home, name, found, items, policy or DriftPolicy())
        row, rejected = _store(store, home, name, layout, found, comparison, source)
    return RegisterImport(
        register=name,
        version=row.version,
        rows=row.rows,
        set_aside=row.set_aside,
        rejection_counts=dict(found.reasons),
        columns=tuple(chosen),
        undescribed=tuple(item.column for item in items if not item.described),
        encoding=table.encoding,
        sha256=row.sha256,
        rejected_file=rejected,
        warnings=(*table.warnings(found.blank, found.reasons), *note_sentences(found.notes)),
        column_summaries=found.summaries,
        drift=comparison.findings,
    )


@contextmanager
def _import_folder(home: BureauHome, name: str) -> Iterator[Path]:
    """An empty folder for one import of a register at a time, removed at the end."""
    with lock_folder(home.path(f"registers/.{name}")) as place:
        for left in place.glob("import-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix="import-") as folder:
            yield Path(folder)


def _store(
    store: Database,
    home: BureauHome,
    name: str,
    layout: RegisterLayout,
    found: PreparedRegister,
    comparison: RegisterComparison,
    source: Path,
) -> tuple[RegisterRow, Path | None]:
    sha256, source_sha256 = hash_file(found.file), hash_file(source)
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
            source_sha256=source_sha256,
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
            "source_sha256": source_sha256,
        }
        record(session, "register.imported", None, facts, by=LOCAL_ACTOR)
    return row, rejected
