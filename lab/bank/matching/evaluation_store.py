"""Stores the bureau's evaluations of identifiers, so that none is sent, or paid for, twice.

A store belongs to one contract, key epoch and engine: an evaluation means nothing outside them. It is one private
SQLite file, written through to the disk at each commit. A request is recorded before anything of it is sent, and
removed in the transaction that stores its response. So a process that is killed at any moment leaves either evaluations
or a request to be sent again. The keys that blind a request are derived from its identifiers (``lab.bank.keys``), so it
is the same bytes again, and the bureau answers it without a new charge.

Each row and each request has a digest (SHA-256, of which 128 bits are kept) that is checked when it is read, and the
store has the number of its rows. A damaged store is refused: identifiers that it lost would be paid for again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.disk.checked_files import DamagedFile
from lab.disk.checked_rows import ROW_DIGEST_BYTES, row_identity, seal_rows
from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, ensure_private_file
from lab.terms.errors import Conflict, NotAuthentic

EVALUATION_BYTES = 32
_SCHEMA = "shulab-evaluations/3"
_FORMER_TABLES = ("about", "evaluated", "under_way")
"""Tables of earlier versions, without digests or under a key that all contracts shared; they are removed."""
_STORE_FILE = re.compile(
    r"(?P<contract>[a-z0-9-]+)\.e(?P<epoch>[0-9]{1,9})\.(?P<engine>[a-z0-9._-]+)\.(?:sqlite|sqlite-journal|lock)"
)
_LOCK_TIMEOUT = 60.0  # seconds that one process waits for another's commit
_TABLES = (
    "CREATE TABLE IF NOT EXISTS store (schema TEXT, contract TEXT, epoch INTEGER, engine TEXT, rows INTEGER)",
    "CREATE TABLE IF NOT EXISTS evaluations (code TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY AUTOINCREMENT, codes TEXT NOT NULL, "
    "digest BLOB NOT NULL)",
)


class EvaluationStore:
    """The store of one contract, epoch and engine. For one thread; several processes may have it open."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Called by ``open_evaluation_store``."""
        self._path, self._connection = path, connection
        self._identity = row_identity(_SCHEMA, path)

    def look_up(self, codes: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Evaluations, uint8 [n, 32], zero where there is none, and which codes have one, bool [n]."""
        values, known = np.zeros((len(codes), EVALUATION_BYTES), dtype=np.uint8), np.zeros(len(codes), dtype=np.bool_)
        if not codes or not self._any_between(min(codes), max(codes)):
            return values, known
        with self._asked(codes) as cursor:
            found = cursor.execute("SELECT place, value FROM asked JOIN evaluations USING (code)").fetchall()
        if found:
            places = [place for place, _ in found]
            kept = [value[:EVALUATION_BYTES] if isinstance(value, bytes) else b"" for _, value in found]
            sealed = seal_rows(self._identity, [codes[place] for place in places], kept)
            if sealed != [value for _, value in found]:
                raise _damaged_store_error(self._path)
            values[places] = np.frombuffer(b"".join(kept), dtype=np.uint8).reshape(-1, EVALUATION_BYTES)
            known[places] = True
        return values, known

    def missing(self, codes: Sequence[str]) -> list[str]:
        """The ``codes`` without an evaluation, in their order."""
        _, known = self.look_up(codes)
        return [codes[index] for index in np.flatnonzero(~known).tolist()]

    def __len__(self) -> int:
        """How many identifiers have an evaluation."""
        with self._translate_errors():
            return _count_rows(self._connection)

    def pending_requests(self) -> list[tuple[int, list[str]]]:
        """The requests without a response, oldest first: their numbers, and their identifiers in order."""
        with self._translate_errors():
            found = self._connection.execute("SELECT number, codes, digest FROM requests ORDER BY number").fetchall()
        if any(digest != self._digest(str(codes)) for _, codes, digest in found):
            raise _damaged_store_error(self._path)
        return [(number, json.loads(codes)) for number, codes, _ in found]

    def record_request(self, codes: Sequence[str]) -> int:
        """Record the identifiers of a request that is about to be sent; returns its number."""
        text = json.dumps(list(codes))
        with self._translate_errors(), self._connection:
            cursor = self._connection.execute(
                "INSERT INTO requests (codes, digest) VALUES (?, ?)", (text, self._digest(text))
            )
        return int(cursor.lastrowid or 0)

    def record_evaluations(self, number: int, codes: Sequence[str], values: NDArray[np.uint8]) -> None:
        """Store the evaluations, uint8 [n, 32], of a pending request, and remove the request."""
        data = np.ascontiguousarray(values).tobytes()
        if values.shape != (len(codes), EVALUATION_BYTES):
            raise ValueError(f"expected {EVALUATION_BYTES} bytes for each of {len(codes)} identifiers")
        starts = range(0, len(data), EVALUATION_BYTES)
        # Sorted, so that neighbouring rows share pages and few pages are written.
        stored = seal_rows(self._identity, codes, [data[at : at + EVALUATION_BYTES] for at in starts])
        rows = sorted(zip(codes, stored, strict=True))
        with self._translate_errors(), self._connection:
            added = self._connection.executemany("INSERT OR IGNORE INTO evaluations VALUES (?, ?)", rows).rowcount
            self._connection.execute("UPDATE store SET rows = rows + ?", (added,))
            self._connection.execute("DELETE FROM requests WHERE number = ?", (number,))

    def discard_request(self, number: int) -> None:
        """Remove a pending request: it was not sent, or the bureau refused it."""
        with self._translate_errors(), self._connection:
            self._connection.execute("DELETE FROM requests WHERE number = ?", (number,))

    def _digest(self, codes: str) -> bytes:
        """The digest of a request's codes, as text."""
        return hashlib.sha256(self._identity + codes.encode()).digest()[:ROW_DIGEST_BYTES]

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        with _translate_sqlite_errors(self._path):
            yield

    @contextmanager
    def exclusive(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the store's lock, so that no other process of this bank sends its requests.

        ``waiting`` is called before a wait. Requests that are pending then belong to a process that has ended.
        """
        with exclusive_lock(self._path.with_suffix(".lock"), on_wait=waiting):
            yield

    def _any_between(self, low: str, high: str) -> bool:
        """Whether the store has a code in a range; never so for a first portfolio, which is looked up in order."""
        with self._translate_errors():
            query = "SELECT 1 FROM evaluations WHERE code BETWEEN ? AND ? LIMIT 1"
            return self._connection.execute(query, (low, high)).fetchone() is not None

    @contextmanager
    def _asked(self, codes: Sequence[str]) -> Iterator[sqlite3.Cursor]:
        """A cursor with a temporary table, in memory, of these codes."""
        with self._translate_errors(), self._connection:
            cursor = self._connection.cursor()
            cursor.execute("CREATE TEMP TABLE IF NOT EXISTS asked (place INTEGER PRIMARY KEY, code TEXT NOT NULL)")
            cursor.executemany("INSERT INTO asked VALUES (?, ?)", enumerate(codes))
            yield cursor
            cursor.execute("DELETE FROM asked")


@contextmanager
def open_evaluation_store(folder: Path, contract: str, epoch: int, engine: str) -> Iterator[EvaluationStore]:
    """The store of a contract, epoch and engine in ``folder``, created if absent.

    Evaluations of a former version are removed. Raises ``NotAuthentic`` if the file is of another contract, epoch or
    engine, ``NotAllowed`` if others may read it, ``DamagedFile`` if it is damaged, ``Conflict`` if it cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    path = folder / f"{contract}.e{epoch}.{engine}.sqlite"
    ensure_private_file(path)
    with _translate_sqlite_errors(path):
        connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT)
    try:
        with _translate_sqlite_errors(path):
            _prepare(connection, path, (_SCHEMA, contract, epoch, engine))
        yield EvaluationStore(path, connection)
    finally:
        connection.close()


def stored_epochs(folder: Path, contract: str, engine: str) -> tuple[int, ...]:
    """The epochs that have a store for a contract and engine, ascending."""
    stores = [one for one in list_evaluation_stores(folder) if (one.contract, one.engine) == (contract, engine)]
    return tuple(one.epoch for one in stores if one.paths[0].suffix == ".sqlite")


@dataclass(frozen=True)
class EvaluationStoreFiles:
    """The files of a store on disk, the database first."""

    contract: str
    epoch: int
    engine: str
    paths: tuple[Path, ...]


def list_evaluation_stores(folder: Path) -> tuple[EvaluationStoreFiles, ...]:
    """Every store in ``folder``, and what an interrupted removal left of one."""
    found: dict[tuple[str, int, str], list[Path]] = {}
    for path in folder.glob("*"):
        named = _STORE_FILE.fullmatch(path.name)
        if named is not None:
            found.setdefault((named["contract"], int(named["epoch"]), named["engine"]), []).append(path)
    return tuple(
        EvaluationStoreFiles(*about, tuple(sorted(paths, key=lambda path: (path.suffix != ".sqlite", path.name))))
        for about, paths in sorted(found.items())
    )


def _prepare(connection: sqlite3.Connection, path: Path, about: tuple[str, str, int, str]) -> None:
    # A rollback journal leaves one file at rest, so that a copy of the folder is complete; FULL waits for the disk.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -32768")  # KiB
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in _FORMER_TABLES:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES:
            connection.execute(statement)
        if connection.execute("SELECT count(*) FROM store").fetchone() == (0,):
            connection.execute("INSERT INTO store VALUES (?, ?, ?, ?, 0)", about)
        found = connection.execute("SELECT schema, contract, epoch, engine FROM store").fetchall()
        ((rows,),) = connection.execute("SELECT max(rows) FROM store").fetchall()
        if rows != _count_rows(connection):
            raise _damaged_store_error(path)
    if found != [about]:
        raise NotAuthentic(
            "The store of evaluations is of another contract, epoch or engine than its name says.",
            next_step="restore the folder of evaluations from a backup",
        )


def _count_rows(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM evaluations").fetchone()
    return int(count)


@contextmanager
def _translate_sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into errors with a next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        name = getattr(error, "sqlite_errorname", None)
        if name in (None, "SQLITE_ERROR"):  # text that is no UTF-8, a table without its columns
            raise _damaged_store_error(path) from None
        raise Conflict(
            f"The store of evaluations cannot be used ({name}).",
            next_step="check whether the disk is full or another process uses the file; then run the command again",
        ) from None
    except sqlite3.DatabaseError:
        raise _damaged_store_error(path) from None


def _damaged_store_error(path: Path) -> DamagedFile:
    return DamagedFile(
        path,
        detail=f"The store of evaluations {path.name} is damaged.",
        next_step="restore it from a backup; if there is none, move it away: its identifiers are then charged again "
        "under the contract when they are next matched",
    )
