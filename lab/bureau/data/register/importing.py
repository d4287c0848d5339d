"""Importing a register file as a new version: all of it or nothing; earlier versions stay as they are.

The file is read in chunks, sorted by identifier on disk if it is large, and written in that order; memory does not grow
with it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import CatalogueItem, describe_columns, save_items
from lab.bureau.data.register.external_sort import ExternalSort
from lab.bureau.data.register.row_validation import (
    CODE,
    ROW,
    choose_columns,
    label_rejected_rows,
    separate_duplicates,
    validate_identifiers,
)
from lab.bureau.data.register.snapshot import ROW_GROUP
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import RegisterRow
from lab.disk.locks import lock_folder
from lab.disk.private_files import move_private
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.table_file import TableFile
from lab.tables.table_reader import hash_file, open_table
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.names import IdKind, is_slug
from lab.terms.progress import SILENT, Progress
from models.shared.features import FeatureDescription

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


@dataclass(frozen=True, slots=True)
class _PreparedRegister:
    """A sorted register: the finished files, not under their final names yet, and what is in them."""

    file: Path
    rows: int
    rejected: Path | None
    reasons: Counter[str]
    blank: int

    @property
    def set_aside(self) -> int:
        return self.reasons.total()


@dataclass(frozen=True, slots=True)
class RegisterLayout:
    """How to read a register file: the column and kind of its identifiers, the columns to keep (all, if none is named),
    and descriptions of columns."""

    id_column: str
    id_kind: IdKind
    columns: Sequence[str] = ()
    descriptions: Mapping[str, FeatureDescription] = field(default_factory=dict)


def import_register(
    store: Database,
    home: BureauHome,
    source: Path,
    layout: RegisterLayout,
    *,
    name: str = "main",
    progress: Progress = SILENT,
) -> RegisterImport:
    """Import a table as the next version of register ``name``.

    Bad and repeated rows are set aside with row number and reason in ``registers/NAME-VERSION.rejected.csv``. The rows,
    the snapshot's hash and the ledger entry become visible in one transaction; the next import removes files of one
    that was killed. Raises ``InvalidInput`` if no row is good or a column is missing, ``Conflict`` if another import of
    the register ends at the same time.
    """
    if not is_slug(name):
        raise InvalidInput(
            "Expected a register name of lower-case letters, digits, dots, hyphens.", next_step="check --register"
        )
    table = open_table(source, max_bytes=MAX_BYTES)
    chosen = choose_columns(table.columns, layout.id_column, layout.columns)
    with _import_folder(home, name) as folder:
        found = _sort(table, folder, layout, chosen, progress)
        items = describe_columns(name, chosen, layout.descriptions)
        row, rejected = _store(store, home, name, layout, found, items, source)
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
        warnings=table.warnings(found.blank, found.reasons),
    )


@contextmanager
def _import_folder(home: BureauHome, name: str) -> Iterator[Path]:
    """An empty folder for one import of a register at a time, removed at the end."""
    with lock_folder(home.path(f"registers/.{name}")) as place:
        for left in place.glob("import-*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix="import-") as folder:
            yield Path(folder)


def _sort(
    table: TableFile, folder: Path, layout: RegisterLayout, columns: Sequence[str], progress: Progress
) -> _PreparedRegister:
    """Read the table; write good rows in the order of identifiers, and rows set aside in the order of row numbers."""
    good, set_aside = ExternalSort(folder, "good", CODE, ROW), ExternalSort(folder, "aside", ROW)
    reasons: Counter[str] = Counter()
    blank = read = 0
    with progress.stage("import", 3 * table.size) as stage:
        for chunk in table.chunks():
            kept, bad, why = validate_identifiers(chunk, layout.id_column, layout.id_kind)
            good.add(kept)
            set_aside.add(bad)
            reasons += why
            blank += chunk.blank_lines
            stage.advance(chunk.bytes_read - read)
            read = chunk.bytes_read
        parts: list[Path] = []
        rows = 0
        for kept in good.read_in_order():
            first, later, why = separate_duplicates(kept, columns)
            set_aside.add(later)
            reasons += why
            rows += first.height
            parts.append(folder / f"part.{len(parts)}")
            first.select(pl.col(CODE).alias(layout.id_column), *columns).write_parquet(parts[-1], statistics=False)
            stage.advance(table.size * kept.height // good.rows)
        if not rows:
            why_not = ", ".join(f"{reason}: {count}" for reason, count in reasons.items()) or "the file has no rows"
            raise InvalidInput(
                f"Expected at least one row with a good identifier; found none ({why_not}).",
                next_step="check --id and --id-kind",
            )
        # Sorted by identifier, so that two versions can be merged while they are read.
        pl.scan_parquet(parts).sink_parquet(
            folder / "register", compression="zstd", statistics=False, row_group_size=ROW_GROUP, maintain_order=True
        )
        rejected = _list(set_aside, folder / "rejected") if set_aside.rows else None
        stage.advance(table.size)
    return _PreparedRegister(folder / "register", rows, rejected, reasons, blank)


def _list(set_aside: ExternalSort, path: Path) -> Path:
    """The rows set aside, by row number, as CSV."""
    with path.open("wb") as file:
        for number, chunk in enumerate(set_aside.read_in_order()):
            write_csv(label_rejected_rows(chunk), file, header=not number)
    return path


def _store(
    store: Database,
    home: BureauHome,
    name: str,
    layout: RegisterLayout,
    found: _PreparedRegister,
    items: Sequence[CatalogueItem],
    source: Path,
) -> tuple[RegisterRow, Path | None]:
    sha256, source_sha256 = hash_file(found.file), hash_file(source)
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
            columns=json.dumps([item.column for item in items], ensure_ascii=False),
            file=file,
            sha256=sha256,
            source_sha256=source_sha256,
            imported_at=datetime.now(UTC),
        )
        session.add(row)
        try:
            # The row comes before the file: only the writer of this version's row may write its file.
            session.flush()
        except IntegrityError:
            raise Conflict("Another import of this register ended just now.", next_step="import again") from None
        save_items(session, name, version, items)
        move_private(found.file, home.path(file))
        rejected = None
        if found.rejected is not None:
            rejected = home.path(f"registers/{name}-{version}.rejected.csv")
            move_private(found.rejected, rejected)
        facts: dict[str, Fact] = {
            "register": name,
            "version": version,
            "rows": row.rows,
            "set_aside": row.set_aside,
            "columns": len(items),
            "sha256": sha256,
            "source_sha256": source_sha256,
        }
        record(session, "register.imported", None, facts, by=LOCAL_ACTOR)
    return row, rejected
