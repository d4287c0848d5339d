"""The evaluated register: the matching value of every enterprise, computed once for a register version and key epoch.

It is kept in a file, and what an earlier version of the register has evaluated already is taken over. From it come the
matching set-up and the tags under a contract. Whoever held it could link enterprises across contracts, so it stays.
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.bureau.home import BureauHome, write_private
from lab.bureau.keys import EPOCH, BureauKeys
from lab.bureau.register import Snapshot, Snapshots
from lab.bureau.register.snapshot import list_snapshots
from lab.bureau.store import Store
from lab.terms.progress import SILENT, Progress
from protocols.matching.bureau import contract_tags, evaluate_register

_KEPT_IN_MEMORY = 2
_INDEXES_IN_MEMORY = 8
_CHUNK = 20_000  # identifiers evaluated between two steps of the progress bar: about a second's work


@dataclass(frozen=True, slots=True)
class TagIndex:
    """Tags of one contract, sorted, and the register row of each."""

    tags: NDArray[np.bytes_]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, tags: NDArray[np.uint8]) -> TagIndex:
        """From tags in row order, uint8 [n, 16]."""
        words = _as_words(tags)
        order = np.argsort(words, kind="stable")
        return cls(words[order], order.astype(np.int64))

    def find(self, tags: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The register row of each tag, int64 [m]; -1 where there is none."""
        words = _as_words(tags)
        places = np.minimum(np.searchsorted(self.tags, words), max(len(self.tags) - 1, 0))
        if not len(self.tags):
            return np.full(len(words), -1, dtype=np.int64)
        return np.where(self.tags[places] == words, self.rows[places], -1)


class EvaluatedRegisters:
    """Evaluated registers and tag indexes, on disk and in memory. Safe to use from several threads."""

    def __init__(self, store: Store, home: BureauHome, keys: BureauKeys, snapshots: Snapshots) -> None:
        self._store, self._home, self._keys, self._snapshots = store, home, keys, snapshots
        self._lock = threading.Lock()
        self._values: dict[tuple[str, int, str], NDArray[np.uint8]] = {}
        self._indexes: dict[tuple[str, str, int, str], TagIndex] = {}

    def values(self, snapshot: Snapshot, engine: str, progress: Progress = SILENT) -> NDArray[np.uint8]:
        """The evaluated register in row order, uint8 [rows, width]."""
        with self._lock:
            return self._values_locked(snapshot, engine, progress)

    def index(self, snapshot: Snapshot, engine: str, contract_id: str) -> TagIndex:
        """The tag index of ``snapshot`` under a contract."""
        key = (contract_id, snapshot.name, snapshot.version, engine)
        with self._lock:
            if key not in self._indexes:
                tags = contract_tags(contract_id, self._values_locked(snapshot, engine, SILENT))
                _make_room(self._indexes, _INDEXES_IN_MEMORY)
                self._indexes[key] = TagIndex.of(tags)
            return self._indexes[key]

    def _values_locked(self, snapshot: Snapshot, engine: str, progress: Progress) -> NDArray[np.uint8]:
        key = (snapshot.name, snapshot.version, engine)
        if key not in self._values:
            values = self._load(snapshot, engine)
            if values is None:
                values = self._evaluate(snapshot, engine, progress)
                buffer = io.BytesIO()
                np.save(buffer, values, allow_pickle=False)
                write_private(self._home.path(_file(snapshot, engine)), buffer.getvalue())
            _make_room(self._values, _KEPT_IN_MEMORY)
            self._values[key] = values
        return self._values[key]

    def _load(self, snapshot: Snapshot, engine: str) -> NDArray[np.uint8] | None:
        path = self._home.path(_file(snapshot, engine))
        if not path.is_file():
            return None
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError):
            return None
        fits = values.dtype == np.uint8 and values.ndim == 2 and len(values) == snapshot.rows
        return np.asarray(values, dtype=np.uint8) if fits else None

    def _evaluate(self, snapshot: Snapshot, engine: str, progress: Progress) -> NDArray[np.uint8]:
        identifiers = self._snapshots.identifiers(snapshot)
        known = self._known(snapshot, engine)
        fresh = [code for code in identifiers if code not in known]
        with progress.stage("evaluate", len(fresh)) as stage:
            for start in range(0, len(fresh), _CHUNK):
                chunk = fresh[start : start + _CHUNK]
                found = self._keys.with_matching_key(engine, lambda key, c=chunk: evaluate_register(engine, key, c))  # type: ignore[misc]
                known.update(zip(chunk, found, strict=True))
                stage.advance(len(chunk))
        return np.stack([known[code] for code in identifiers])

    def _known(self, snapshot: Snapshot, engine: str) -> dict[str, NDArray[np.uint8]]:
        """Values by identifier from the newest version that was evaluated."""
        with self._store.read() as session:
            others = [other for other in list_snapshots(session, snapshot.name) if other.version != snapshot.version]
        for other in others:
            values = self._load(other, engine)
            if values is not None:
                return dict(zip(self._snapshots.identifiers(other), values, strict=True))
        return {}


def _file(snapshot: Snapshot, engine: str) -> str:
    return f"evaluated/{snapshot.name}-{snapshot.version}-{snapshot.sha256[:12]}-{engine}-{EPOCH}.npy"


def _make_room(cache: dict, most: int) -> None:  # type: ignore[type-arg]
    while len(cache) >= most:
        cache.pop(next(iter(cache)))


def _as_words(tags: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(tags, dtype=np.uint8).view("S16").reshape(-1)
