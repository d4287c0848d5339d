"""Importing a register file as a new version: all of it or nothing, and the version before stays as it is."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from lab.bureau.catalogue import Item, items_for, keep_items
from lab.bureau.home import BureauHome, write_private
from lab.bureau.ledger import LOCAL, Fact, record
from lab.bureau.register.snapshot import ROW_GROUP
from lab.bureau.register.sorting import Sorted, choose_columns, sort_rows
from lab.bureau.store import Store
from lab.bureau.store.tables import RegisterRow
from lab.terms.csvfile import read_table
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.identifiers import IdKind
from lab.terms.progress import SILENT, Progress
from models.features import FeatureWords

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. ``reasons``: rows set aside by kind of reason; ``rejected``: the file that lists them."""

    register: str
    version: int
    rows: int
    set_aside: int
    reasons: Mapping[str, int]
    columns: tuple[str, ...]
    undescribed: tuple[str, ...]
    encoding: str
    sha256: str
    rejected: Path | None
    warnings: tuple[str, ...]


def import_register(
    store: Store,
    home: BureauHome,
    source: Path,
    *,
    id_column: str,
    id_kind: IdKind,
    name: str = "main",
    columns: Sequence[str] = (),
    words: Mapping[str, FeatureWords] | None = None,
    progress: Progress = SILENT,
) -> Imported:
    """Import a CSV or Parquet file as the next version of register ``name``.

    Bad and repeated rows are set aside with row number and reason in ``registers/NAME-VERSION.rejected.csv``. The rows,
    the snapshot's hash and the ledger entry become visible in one transaction; files of an import that was killed are
    overwritten by the next. Raises ``InvalidInput`` if no row is good.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "Wanted a register name of lower-case letters, digits, dots, hyphens.", next_step="check --register"
        )
    with progress.stage("import", 4) as stage:
        table = read_table(source)
        chosen = choose_columns(table.frame.columns, id_column, columns)
        stage.advance()
        rows = sort_rows(table, id_column, id_kind, chosen)
        if rows.kept.height == 0:
            told = ", ".join(f"{reason}: {count}" for reason, count in rows.reasons.items()) or "the file has no rows"
            raise InvalidInput(
                f"Wanted at least one row with a good identifier; found none ({told}).",
                next_step="check --id and --id-kind",
            )
        items = items_for(name, chosen, words or {})
        stage.advance()
        buffer = io.BytesIO()
        # By identifier, so that two versions can be merged as they are read.
        rows.kept.sort(id_column).write_parquet(buffer, compression="zstd", statistics=False, row_group_size=ROW_GROUP)
        stage.advance()
        row, rejected = _keep(store, home, name, (id_column, id_kind), rows, items, buffer.getvalue(), source)
        stage.advance()
    return Imported(
        register=name,
        version=row.version,
        rows=row.rows,
        set_aside=row.set_aside,
        reasons=rows.reasons,
        columns=tuple(chosen),
        undescribed=tuple(item.column for item in items if not item.described),
        encoding=table.encoding,
        sha256=row.sha256,
        rejected=rejected,
        warnings=table.warnings,
    )


def _keep(
    store: Store,
    home: BureauHome,
    name: str,
    identifier: tuple[str, IdKind],
    rows: Sorted,
    items: Sequence[Item],
    parquet: bytes,
    source: Path,
) -> tuple[RegisterRow, Path | None]:
    with source.open("rb") as opened:
        source_sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    with store.begin() as session:
        newest = session.scalar(select(func.max(RegisterRow.version)).where(RegisterRow.name == name))
        version = (newest or 0) + 1
        file = f"registers/{name}-{version}.parquet"
        row = RegisterRow(
            name=name,
            version=version,
            id_column=identifier[0],
            id_kind=identifier[1],
            rows=rows.kept.height,
            set_aside=rows.aside.height,
            columns=json.dumps([item.column for item in items], ensure_ascii=False),
            file=file,
            sha256=hashlib.sha256(parquet).hexdigest(),
            source_sha256=source_sha256,
            imported_at=datetime.now(UTC),
        )
        session.add(row)
        try:
            # The row comes before the file: whoever holds this version's row may write this version's file.
            session.flush()
        except IntegrityError:
            raise Conflict("Another import of this register ended just now.", next_step="import again") from None
        keep_items(session, name, version, items)
        write_private(home.path(file), parquet)
        rejected = None
        if rows.aside.height:
            rejected = home.path(f"registers/{name}-{version}.rejected.csv")
            write_private(rejected, rows.aside.write_csv(include_bom=True).encode())
        facts: dict[str, Fact] = {
            "register": name,
            "version": version,
            "rows": row.rows,
            "set_aside": row.set_aside,
            "columns": len(items),
            "sha256": row.sha256,
            "source_sha256": source_sha256,
        }
        record(session, "register.imported", None, facts, by=LOCAL)
    return row, rejected
