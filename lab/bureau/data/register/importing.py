"""Importing a register file as a new version: all of it or nothing; earlier versions stay as they are.

The file is read in chunks, sorted by identifier on disk if it is large, and written in that order; memory does not grow
with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import describe_columns, require_described_columns
from lab.bureau.data.quality import DriftFinding
from lab.bureau.data.register.comparison import DriftPolicy, compare_register
from lab.bureau.data.register.preparation import RegisterLayout, prepare_register
from lab.bureau.data.register.row_validation import choose_columns
from lab.bureau.data.register.version_storage import VersionOrigin, store_version, version_folder
from lab.bureau.store import Database
from lab.tables.cells.column_kinds import ColumnSummary
from lab.tables.table_reader import hash_file, open_table
from lab.terms.errors import InvalidInput
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
    require_described_columns(layout.descriptions, table.columns, what="the register's file")
    items = describe_columns(name, chosen, layout.descriptions)
    with version_folder(home, name) as folder:
        found = prepare_register(table, folder, layout, chosen, progress)
        comparison = compare_register(store, home, name, found, items, policy or DriftPolicy())
        row, rejected = store_version(store, home, name, layout, found, comparison, VersionOrigin(hash_file(source)))
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
