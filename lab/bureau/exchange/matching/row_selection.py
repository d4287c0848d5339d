"""Which rows of a register version are evaluated, all or the consenting ones, and under which key."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from lab.bureau.data.consents import ConsentingRows
from lab.bureau.data.register import Snapshot, SnapshotReader
from lab.bureau.data.register.snapshot import ROW_GROUP
from protocols.matching.bureau import MatchingOperation


@dataclass(frozen=True, slots=True)
class MatchingKeyScope:
    """The scope of one matching key: a contract, an operation, an engine and an epoch."""

    contract: str
    operation: MatchingOperation
    engine: str
    epoch: int


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Rows of a register version: the consenting ones, or all (None)."""

    snapshot: Snapshot
    consenting: ConsentingRows | None = None

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.snapshot.rows if self.consenting is None else len(self.consenting.rows)

    @property
    def folder_name(self) -> str:
        """A folder name that identifies the rows."""
        return "all" if self.consenting is None else self.consenting.digest[:16]

    def rows(self, start: int, count: int) -> list[int]:
        """The row numbers of places ``start`` to ``start`` + ``count``; fewer at the end."""
        if self.consenting is None:
            return list(range(start, min(start + count, self.snapshot.rows)))
        found: list[int] = self.consenting.rows[start : start + count].tolist()
        return found

    def identifiers(self, snapshots: SnapshotReader, start: int, count: int) -> list[str]:
        """The identifiers at these places, in order; row groups without any of them are not read."""
        if self.consenting is None:
            return snapshots.identifiers(self.snapshot, start, count)
        found: list[str] = []
        for _, rows in groupby(self.rows(start, count), key=lambda row: row // ROW_GROUP):
            chosen = list(rows)
            first, last = chosen[0], chosen[-1]
            codes = snapshots.identifiers(self.snapshot, first, last - first + 1)
            found += [codes[row - first] for row in chosen]
        return found
