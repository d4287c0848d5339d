"""Immutable versions of a register: finding them in the store and reading their Parquet files, checked by hash.

A file is hashed before rows are read from it. While identifiers are read in parts, it is hashed again only when its
status has changed, or ``_RECHECK_SECONDS`` have passed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.store.tables import RegisterRow
from lab.disk.checked_files import DamagedFile
from lab.tables.table_reader import hash_file
from lab.terms.errors import NotFound
from lab.terms.names import IdKind, as_id_kind

_MAX_CACHED_FRAMES = 2
_RECHECK_SECONDS = 60.0
_REPAIR_HINT = "bring the file back from a copy, or import the register again"
ROW_GROUP = 65_536
"""Rows of a Parquet row group: what one reading of identifiers touches."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a register, as the store knows it."""

    name: str
    version: int
    id_column: str
    id_kind: IdKind
    rows: int
    columns: tuple[str, ...]
    file: str
    sha256: str


def find_snapshot(session: Session, name: str, version: int | None = None) -> Snapshot:
    """That version of a register, or its newest; raises ``NotFound``."""
    query = select(RegisterRow).where(RegisterRow.name == name)
    if version is not None:
        query = query.where(RegisterRow.version == version)
    row = session.scalars(query.order_by(RegisterRow.version.desc()).limit(1)).first()
    if row is None:
        which = f"register {name}" + (f" version {version}" if version else "")
        raise NotFound(f"No {which} is imported here.", next_step="import one with `lab bureau import`")
    return _snapshot(row)


def list_snapshots(session: Session, name: str) -> list[Snapshot]:
    """All versions of a register, newest first."""
    query = select(RegisterRow).where(RegisterRow.name == name).order_by(RegisterRow.version.desc())
    return [_snapshot(row) for row in session.scalars(query)]


class SnapshotReader:
    """Reads snapshots and keeps the last few in memory. Safe to use from several threads."""

    def __init__(self, home: BureauHome) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._frames: dict[tuple[str, int], pl.DataFrame] = {}
        self._checked: dict[str, tuple[tuple[int, ...], float]] = {}

    def frame(self, snapshot: Snapshot, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The table, all text, the identifier first; or those of ``columns`` that it has.

        Only the columns that were asked for stay in memory. Raises ``DamagedFile`` if the file is not the one
        imported.
        """
        key, every = (snapshot.name, snapshot.version), (snapshot.id_column, *snapshot.columns)
        wanted = every if columns is None else [column for column in columns if column in every]
        with self._lock:
            kept = self._frames.pop(key, None)
            absent = [column for column in wanted if kept is None or column not in kept.columns]
            if kept is None or absent:
                read = self._read(snapshot, absent)
                kept = read if kept is None else kept.hstack(read)
            self._remember(key, kept)
        return kept.select(wanted)

    def _remember(self, key: tuple[str, int], frame: pl.DataFrame) -> None:
        """Keep a table as the newest in memory, and drop the oldest beyond the limit."""
        while len(self._frames) >= _MAX_CACHED_FRAMES:
            self._frames.pop(next(iter(self._frames)))
        self._frames[key] = frame

    def identifiers(self, snapshot: Snapshot, first: int = 0, count: int | None = None) -> list[str]:
        """Identifiers in row order, which is their own order: ``count`` of them from row ``first`` on (None: all).

        Reads only the row groups that contain them, so a register of any size is read in bounded memory.
        """
        with self._lock:
            path = self._check(snapshot)
        try:
            rows = pl.scan_parquet(path).select(snapshot.id_column).slice(first, count).collect()
        except (OSError, PolarsError):
            raise _unreadable(self._home, snapshot) from None
        return [str(code) for code in rows[snapshot.id_column].to_list()]

    def column(self, snapshot: Snapshot, column: str) -> pl.Series:
        """One column, text, in row order; it is not kept in memory. Raises ``DamagedFile``."""
        with self._lock:
            path = self._check(snapshot)
        try:
            return pl.read_parquet(path, columns=[column])[column]
        except (OSError, PolarsError):
            raise _unreadable(self._home, snapshot) from None

    def sample(self, snapshot: Snapshot, columns: Sequence[str], rows: int) -> pl.DataFrame:
        """At most ``rows`` rows, evenly spread over the register, of those of ``columns`` that it has; all text."""
        with self._lock:
            path = self._check(snapshot)
        try:
            return spread_rows(path, [column for column in columns if column in snapshot.columns], rows)
        except (OSError, PolarsError):
            raise _unreadable(self._home, snapshot) from None

    def _read(self, snapshot: Snapshot, columns: Sequence[str]) -> pl.DataFrame:
        try:
            return pl.read_parquet(self._check(snapshot, again=True), columns=list(columns))
        except (OSError, PolarsError):
            raise _unreadable(self._home, snapshot) from None

    def _check(self, snapshot: Snapshot, *, again: bool = False) -> Path:
        """The snapshot's file, after its hash was compared: ``again``, or unless that was just now and the file is the
        same. Raises ``DamagedFile``."""
        path, now = self._home.path(snapshot.file), time.monotonic()
        try:
            status = path.stat()
            same = (status.st_ino, status.st_size, status.st_mtime_ns)
            checked, at = self._checked.get(snapshot.sha256, ((), 0.0))
            if not again and checked == same and now - at < _RECHECK_SECONDS:
                return path
            found = hash_file(path)
        except OSError:
            raise _unreadable(self._home, snapshot) from None
        if found != snapshot.sha256:
            raise DamagedFile(
                path,
                detail=f"The file of register {snapshot.name} version {snapshot.version} is not the one imported.",
                next_step=_REPAIR_HINT,
            )
        self._checked[snapshot.sha256] = (same, now)
        return path


def spread_rows(path: Path, columns: Sequence[str], rows: int) -> pl.DataFrame:
    """At most ``rows`` rows, evenly spread over a Parquet file, of ``columns``; raises ``OSError``, ``PolarsError``."""
    scan = pl.scan_parquet(path)
    height = int(scan.select(pl.len()).collect().item())
    step = max(1, -(-height // rows))
    parts = [pl.DataFrame(schema=dict.fromkeys(columns, pl.String))]
    for first in range(0, height, ROW_GROUP):
        group = scan.select(columns).slice(first, ROW_GROUP).collect().gather_every(step, -first % step)
        # Cells are copied, because a taken cell would keep all text of its row group in memory.
        parts.append(pl.DataFrame({name: group[name].to_list() for name in columns}, schema=parts[0].schema))
    return pl.concat(parts)


def _unreadable(home: BureauHome, snapshot: Snapshot) -> DamagedFile:
    return DamagedFile(
        home.path(snapshot.file),
        detail=f"The file of register {snapshot.name} version {snapshot.version} cannot be read.",
        next_step=_REPAIR_HINT,
    )


def _snapshot(row: RegisterRow) -> Snapshot:
    return Snapshot(
        name=row.name,
        version=row.version,
        id_column=row.id_column,
        id_kind=as_id_kind(row.id_kind),
        rows=row.rows,
        columns=tuple(json.loads(row.columns)),
        file=row.file,
        sha256=row.sha256,
    )
