"""Stores the bureau's evaluations of identifiers, so that none is sent, or paid for, twice.

A store belongs to one contract, key epoch and engine: an evaluation means nothing outside them. It is one private
SQLite file, written through to the disk at each commit. A request is recorded before anything of it is sent, and
removed in the transaction that stores its response. So a process that is killed at any moment leaves either evaluations
or a request to be sent again. The keys that blind a request are derived from its identifiers (``lab.bank.keys``), so it
is the same bytes again, and the bureau answers it without a new charge.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, ensure_private_file
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic

EVALUATION_BYTES = 32
_SCHEMA = "shulab-evaluations/2"
_FORMER_SCHEMA = "shulab-evaluations/1"
"""Evaluations under a key that all contracts shared: they mean nothing under a contract's own key, and are removed."""
_STORE_FILE = re.compile(
    r"(?P<contract>[a-z0-9-]+)\.e(?P<epoch>[0-9]{1,9})\.(?P<engine>[a-z0-9._-]+)\.(?:sqlite|sqlite-journal|lock)"
)
_LOCK_TIMEOUT = 60.0  # seconds that one process waits for another's commit
_TABLES = (
    "CREATE TABLE IF NOT EXISTS about (schema TEXT, contract TEXT, epoch INTEGER, engine TEXT)",
    "CREATE TABLE IF NOT EXISTS evaluated (code TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS under_way (number INTEGER PRIMARY KEY AUTOINCREMENT, codes TEXT NOT NULL)",
)


class EvaluationStore:
    """The store of one contract, epoch and engine. For one thread; several processes may have it open."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Called by ``open_evaluation_store``."""
        self._path, self._connection = path, connection

    def look_up(self, codes: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Evaluations, uint8 [n, 32], zero where there is none, and which codes have one, bool [n]."""
        values, known = np.zeros((len(codes), EVALUATION_BYTES), dtype=np.uint8), np.zeros(len(codes), dtype=np.bool_)
        if not codes or not self._any_between(min(codes), max(codes)):
            return values, known
        with self._asked(codes) as cursor:
            found = cursor.execute("SELECT place, value FROM asked JOIN evaluated USING (code)").fetchall()
        if found:
            places = np.array([place for place, _ in found], dtype=np.int64)
            joined = b"".join(value for _, value in found)
            if len(joined) != len(found) * EVALUATION_BYTES:
                raise _damaged_store_error()
            values[places] = np.frombuffer(joined, dtype=np.uint8).reshape(-1, EVALUATION_BYTES)
            known[places] = True
        return values, known

    def missing(self, codes: Sequence[str]) -> list[str]:
        """The ``codes`` without an evaluation, in their order."""
        _, known = self.look_up(codes)
        return [codes[index] for index in np.flatnonzero(~known).tolist()]

    def __len__(self) -> int:
        """How many identifiers have an evaluation."""
        with _translate_sqlite_errors():
            (count,) = self._connection.execute("SELECT count(*) FROM evaluated").fetchone()
        return int(count)

    def pending_requests(self) -> list[tuple[int, list[str]]]:
        """The requests without a response, oldest first: their numbers, and their identifiers in order."""
        with _translate_sqlite_errors():
            found = self._connection.execute("SELECT number, codes FROM under_way ORDER BY number").fetchall()
        return [(number, json.loads(codes)) for number, codes in found]

    def record_request(self, codes: Sequence[str]) -> int:
        """Record the identifiers of a request that is about to be sent; returns its number."""
        with _translate_sqlite_errors(), self._connection:
            cursor = self._connection.execute("INSERT INTO under_way (codes) VALUES (?)", (json.dumps(list(codes)),))
        return int(cursor.lastrowid or 0)

    def record_evaluations(self, number: int, codes: Sequence[str], values: NDArray[np.uint8]) -> None:
        """Store the evaluations, uint8 [n, 32], of a pending request, and remove the request."""
        data = np.ascontiguousarray(values).tobytes()
        if values.shape != (len(codes), EVALUATION_BYTES):
            raise ValueError(f"expected {EVALUATION_BYTES} bytes for each of {len(codes)} identifiers")
        starts = range(0, len(data), EVALUATION_BYTES)
        # Sorted, so that neighbouring rows share pages and few pages are written.
        rows = sorted((code, data[at : at + EVALUATION_BYTES]) for code, at in zip(codes, starts, strict=True))
        with _translate_sqlite_errors(), self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO evaluated VALUES (?, ?)", rows)
            self._connection.execute("DELETE FROM under_way WHERE number = ?", (number,))

    def discard_request(self, number: int) -> None:
        """Remove a pending request: it was not sent, or the bureau refused it."""
        with _translate_sqlite_errors(), self._connection:
            self._connection.execute("DELETE FROM under_way WHERE number = ?", (number,))

    @contextmanager
    def exclusive(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the store's lock, so that no other process of this bank sends its requests.

        ``waiting`` is called before a wait. Requests that are pending then belong to a process that has ended.
        """
        with exclusive_lock(self._path.with_suffix(".lock"), on_wait=waiting):
            yield

    def _any_between(self, low: str, high: str) -> bool:
        """Whether the store has a code in a range; never so for a first portfolio, which is looked up in order."""
        with _translate_sqlite_errors():
            query = "SELECT 1 FROM evaluated WHERE code BETWEEN ? AND ? LIMIT 1"
            return self._connection.execute(query, (low, high)).fetchone() is not None

    @contextmanager
    def _asked(self, codes: Sequence[str]) -> Iterator[sqlite3.Cursor]:
        """A cursor with a temporary table, in memory, of these codes."""
        with _translate_sqlite_errors(), self._connection:
            cursor = self._connection.cursor()
            cursor.execute("CREATE TEMP TABLE IF NOT EXISTS asked (place INTEGER PRIMARY KEY, code TEXT NOT NULL)")
            cursor.executemany("INSERT INTO asked VALUES (?, ?)", enumerate(codes))
            yield cursor
            cursor.execute("DELETE FROM asked")


@contextmanager
def open_evaluation_store(folder: Path, contract: str, epoch: int, engine: str) -> Iterator[EvaluationStore]:
    """The store of a contract, epoch and engine in ``folder``, created if absent.

    Evaluations of a former version, under a key that all contracts shared, are removed: they would be misread. Raises
    ``NotAuthentic`` if the file is of another contract, epoch or engine, ``NotAllowed`` if others may read it,
    ``InvalidInput`` if it is damaged, ``Conflict`` if it cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    path = folder / f"{contract}.e{epoch}.{engine}.sqlite"
    ensure_private_file(path)
    with _translate_sqlite_errors():
        connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT)
    try:
        with _translate_sqlite_errors():
            _prepare(connection, (_SCHEMA, contract, epoch, engine))
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


def _prepare(connection: sqlite3.Connection, about: tuple[str, str, int, str]) -> None:
    # A rollback journal leaves one file at rest, so that a copy of the folder is complete; FULL waits for the disk.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -32768")  # KiB
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        if connection.execute("SELECT count(*) FROM about WHERE schema = ?", (_FORMER_SCHEMA,)).fetchone() != (0,):
            for table in ("about", "evaluated", "under_way"):
                connection.execute(f"DELETE FROM {table}")
        if connection.execute("SELECT count(*) FROM about").fetchone() == (0,):
            connection.execute("INSERT INTO about VALUES (?, ?, ?, ?)", about)
        found = connection.execute("SELECT schema, contract, epoch, engine FROM about").fetchall()
    if found != [about]:
        raise NotAuthentic(
            "The store of evaluations is of another contract, epoch or engine than its name says.",
            next_step="restore the folder of evaluations from a backup",
        )


@contextmanager
def _translate_sqlite_errors() -> Iterator[None]:
    """Turn SQLite's errors into errors with a next step."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Conflict(
            f"The store of evaluations cannot be used ({error.sqlite_errorname}).",
            next_step="check whether the disk is full or another process uses the file; then run the command again",
        ) from None
    except sqlite3.DatabaseError:
        raise _damaged_store_error() from None


def _damaged_store_error() -> InvalidInput:
    return InvalidInput(
        "The store of evaluations is damaged.",
        next_step="restore it from a backup; without it, matched identifiers are charged again under the contract",
    )
