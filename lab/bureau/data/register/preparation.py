"""Preparing a register: a file's rows validated, sorted by identifier and counted, in memory that does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from lab.bureau.data.register.external_sort import ExternalSort
from lab.bureau.data.register.row_validation import (
    CODE,
    ROW,
    label_rejected_rows,
    separate_duplicates,
    validate_identifiers,
)
from lab.bureau.data.register.snapshot import ROW_GROUP
from lab.tables.cells.column_kinds import ColumnHint, ColumnSummary, hint_words, summarise_tally
from lab.tables.cells.column_tally import ColumnTally
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.table_file import TableFile
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import IdentifierNote
from lab.terms.names import IdKind
from lab.terms.progress import Progress
from models.shared.features import FeatureDescription


@dataclass(frozen=True, slots=True)
class RegisterLayout:
    """How to read a register file: the column and kind of its identifiers, the columns to keep (all, if none is named),
    and descriptions of columns."""

    id_column: str
    id_kind: IdKind
    columns: Sequence[str] = ()
    descriptions: Mapping[str, FeatureDescription] = field(default_factory=dict)

    def hint(self, column: str) -> ColumnHint:
        """What the descriptions state of how a column's cells are read."""
        return self.descriptions.get(column, FeatureDescription()).hint


@dataclass(frozen=True, slots=True)
class PreparedRegister:
    """A sorted register: the finished files, not under their final names yet, and what is in them."""

    file: Path
    rows: int
    rejected: Path | None
    reasons: Counter[str]
    blank: int
    notes: Counter[IdentifierNote]
    summaries: tuple[ColumnSummary, ...]

    @property
    def set_aside(self) -> int:
        """How many rows were set aside."""
        return self.reasons.total()


def prepare_register(
    table: TableFile, folder: Path, layout: RegisterLayout, columns: Sequence[str], progress: Progress
) -> PreparedRegister:
    """Read the table; write good rows in the order of identifiers, and rows set aside in the order of row numbers.

    The cells of good rows are counted on the way. Raises ``InvalidInput`` if no row has a good identifier.
    """
    good, set_aside = ExternalSort(folder, "good", CODE, ROW), ExternalSort(folder, "aside", ROW)
    reasons: Counter[str] = Counter()
    notes: Counter[IdentifierNote] = Counter()
    blank = read = 0
    with progress.stage("import", 3 * table.size) as stage:
        for chunk in table.chunks():
            found = validate_identifiers(chunk, layout.id_column, layout.id_kind)
            good.add(found.good)
            set_aside.add(found.set_aside)
            reasons += found.reasons
            notes += found.notes
            blank += chunk.blank_lines
            stage.advance(chunk.bytes_read - read)
            read = chunk.bytes_read
        parts: list[Path] = []
        rows = 0
        tallies = {column: ColumnTally(hint_words(layout.hint(column))) for column in columns}
        for kept in good.read_in_order():
            first, later, why = separate_duplicates(kept, columns)
            set_aside.add(later)
            reasons += why
            rows += first.height
            for column, tally in tallies.items():
                tally.add(first[column], first[ROW])
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
    summaries = tuple(summarise_tally(column, tally, layout.hint(column)) for column, tally in tallies.items())
    return PreparedRegister(folder / "register", rows, rejected, reasons, blank, notes, summaries)


def _list(set_aside: ExternalSort, path: Path) -> Path:
    """The rows set aside, by row number, as CSV."""
    with path.open("wb") as file:
        for number, chunk in enumerate(set_aside.read_in_order()):
            write_csv(label_rejected_rows(chunk), file, header=not number)
    return path
