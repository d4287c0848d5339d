"""What differs between two versions of a register: enterprises, columns, and how many values of each column changed.

It counts, and names columns; it shows no value and no enterprise.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lab.bureau.data.register.snapshot import Snapshot, SnapshotReader
from lab.terms.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """Of the enterprises that both versions have: how many have another value, one for the first time, or no more."""

    column: str
    changed: int
    appeared: int
    vanished: int

    @property
    def total(self) -> int:
        """How many enterprises differ."""
        return self.changed + self.appeared + self.vanished


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """``entered`` and ``left``: enterprises that only the newer or only the older version has. ``added`` and
    ``removed``: columns. ``changes``: of all columns that both have, in the newer one's order."""

    common: int
    entered: int
    left: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changes: tuple[ColumnChange, ...]


def compare_versions(reader: SnapshotReader, older: Snapshot, newer: Snapshot) -> VersionComparison:
    """Compare column by column, so that two columns are in memory at a time beside the identifiers.

    Raises ``InvalidInput`` if the two have other kinds of identifiers, ``DamagedFile`` for a file that was altered.
    """
    if older.id_kind != newer.id_kind:
        raise InvalidInput(
            "Expected two versions with the same kind of identifiers; found two kinds.",
            next_step="`lab bureau register list` lists the versions",
        )
    rows = _places(reader, older, "old").join(_places(reader, newer, "new"), on="code")
    shared = [column for column in newer.columns if column in older.columns]
    changes = tuple(_change(reader, older, newer, column, rows) for column in shared)
    return VersionComparison(
        common=rows.height,
        entered=newer.rows - rows.height,
        left=older.rows - rows.height,
        added=tuple(column for column in newer.columns if column not in older.columns),
        removed=tuple(column for column in older.columns if column not in newer.columns),
        changes=changes,
    )


def _places(reader: SnapshotReader, snapshot: Snapshot, name: str) -> pl.DataFrame:
    """Identifiers and the row of each."""
    codes = pl.Series("code", reader.identifiers(snapshot), dtype=pl.String)
    return codes.to_frame().with_row_index(name)


def _change(reader: SnapshotReader, older: Snapshot, newer: Snapshot, column: str, rows: pl.DataFrame) -> ColumnChange:
    before = reader.column(older, column).gather(rows["old"])
    after = reader.column(newer, column).gather(rows["new"])
    return ColumnChange(
        column,
        changed=int((before != after).sum() or 0),  # null where either has none
        appeared=int((before.is_null() & after.is_not_null()).sum()),
        vanished=int((before.is_not_null() & after.is_null()).sum()),
    )
