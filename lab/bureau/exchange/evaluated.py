"""The evaluated register: the matching value of every enterprise, computed once for a register version and key epoch.

It is kept in a file, and what an earlier version of the register has evaluated already is taken over. From it come the
matching set-up and the tags under a contract. Whoever held it could link enterprises across contracts, so it stays.

Where a contract requires consent, the tags of the enterprises that did not give it are not in the index: asked for one
of them, ``find`` does what it does for an enterprise that is not in the register, a look-up among the same tags.
"""

from __future__ import annotations

import io
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.bureau.consents import Admitted
from lab.bureau.home import BureauHome, write_private
from lab.bureau.keys import BureauKeys
from lab.bureau.register import Snapshot, Snapshots
from lab.bureau.register.snapshot import list_snapshots
from lab.bureau.store import Store
from lab.terms.progress import SILENT, Progress
from protocols.matching.bureau import contract_tags, evaluate_register

_KEPT_IN_MEMORY = 2
_INDEXES_IN_MEMORY = 8
_OF_EPOCH = re.compile(r"-([0-9]+)(?:-[0-9a-f]{16})?\.(?:npy|setup-[0-9]+)$")  # a set-up may name who is admitted
_CHUNK = 20_000  # identifiers evaluated between two steps of the progress bar: about a second's work


@dataclass(frozen=True, slots=True)
class TagIndex:
    """Tags of one contract, sorted, and the register row of each."""

    tags: NDArray[np.bytes_]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, tags: NDArray[np.uint8], rows: NDArray[np.int64]) -> TagIndex:
        """From tags uint8 [n, 16] and the register row of each, int64 [n]."""
        words = _as_words(tags)
        order = np.argsort(words, kind="stable")
        return cls(words[order], rows[order])

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
        self._values: dict[tuple[str, int, str, int], NDArray[np.uint8]] = {}
        self._indexes: dict[tuple[str, str, int, str, int, str], TagIndex] = {}

    def values(self, snapshot: Snapshot, engine: str, epoch: int, progress: Progress = SILENT) -> NDArray[np.uint8]:
        """The evaluated register under the keys of ``epoch``, in row order, uint8 [rows, width]."""
        with self._lock:
            return self._values_locked(snapshot, engine, epoch, progress)

    def index(
        self, snapshot: Snapshot, engine: str, epoch: int, contract_id: str, admitted: Admitted | None
    ) -> TagIndex:
        """The tag index of ``snapshot`` under a contract: of the admitted rows, or of all (None)."""
        digest = "" if admitted is None else admitted.digest
        key = (contract_id, snapshot.name, snapshot.version, engine, epoch, digest)
        with self._lock:
            if key not in self._indexes:
                values = self._values_locked(snapshot, engine, epoch, SILENT)
                rows = np.arange(len(values), dtype=np.int64) if admitted is None else admitted.rows
                _make_room(self._indexes, _INDEXES_IN_MEMORY)
                self._indexes[key] = TagIndex.of(contract_tags(contract_id, values[rows]), rows)
            return self._indexes[key]

    def is_kept(self, snapshot: Snapshot, engine: str, epoch: int) -> bool:
        """Whether the register is evaluated already under the keys of ``epoch``."""
        with self._lock:
            return self._load(snapshot, engine, epoch) is not None

    def forget(self, epoch: int) -> None:
        """Remove everything that was evaluated under the keys of ``epoch``, set-ups too, from memory and disk."""
        with self._lock:
            for key in [key for key in self._values if key[3] == epoch]:
                del self._values[key]
            for tags in [tags for tags in self._indexes if tags[4] == epoch]:
                del self._indexes[tags]
            for path in files_of(self._home, epoch):
                path.unlink(missing_ok=True)

    def _values_locked(self, snapshot: Snapshot, engine: str, epoch: int, progress: Progress) -> NDArray[np.uint8]:
        key = (snapshot.name, snapshot.version, engine, epoch)
        if key not in self._values:
            values = self._load(snapshot, engine, epoch)
            if values is None:
                values = self._evaluate(snapshot, engine, epoch, progress)
                buffer = io.BytesIO()
                np.save(buffer, values, allow_pickle=False)
                write_private(self._home.path(f"{stem(snapshot, engine, epoch)}.npy"), buffer.getvalue())
            _make_room(self._values, _KEPT_IN_MEMORY)
            self._values[key] = values
        return self._values[key]

    def _load(self, snapshot: Snapshot, engine: str, epoch: int) -> NDArray[np.uint8] | None:
        path = self._home.path(f"{stem(snapshot, engine, epoch)}.npy")
        if not path.is_file():
            return None
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError):
            return None
        fits = values.dtype == np.uint8 and values.ndim == 2 and len(values) == snapshot.rows
        return np.asarray(values, dtype=np.uint8) if fits else None

    def _evaluate(self, snapshot: Snapshot, engine: str, epoch: int, progress: Progress) -> NDArray[np.uint8]:
        identifiers = self._snapshots.identifiers(snapshot)
        known = self._known(snapshot, engine, epoch)
        fresh = [code for code in identifiers if code not in known]
        with progress.stage("evaluate", len(fresh)) as stage:
            for start in range(0, len(fresh), _CHUNK):
                chunk = fresh[start : start + _CHUNK]
                found = self._keys.with_matching_key(
                    engine,
                    epoch,
                    lambda key, c=chunk: evaluate_register(engine, key, c),  # type: ignore[misc]
                )
                known.update(zip(chunk, found, strict=True))
                stage.advance(len(chunk))
        return np.stack([known[code] for code in identifiers])

    def _known(self, snapshot: Snapshot, engine: str, epoch: int) -> dict[str, NDArray[np.uint8]]:
        """Values by identifier from the newest version that was evaluated."""
        with self._store.read() as session:
            others = [other for other in list_snapshots(session, snapshot.name) if other.version != snapshot.version]
        for other in others:
            values = self._load(other, engine, epoch)
            if values is not None:
                return dict(zip(self._snapshots.identifiers(other), values, strict=True))
        return {}


def stem(snapshot: Snapshot, engine: str, epoch: int) -> str:
    """How the names of files begin that hold what ``snapshot`` evaluates to under the keys of ``epoch``."""
    return f"evaluated/{snapshot.name}-{snapshot.version}-{snapshot.sha256[:12]}-{engine}-{epoch}"


def files_of(home: BureauHome, epoch: int) -> list[Path]:
    """All files evaluated under the keys of ``epoch``: registers and set-ups."""
    found = ((path, _OF_EPOCH.search(path.name)) for path in home.path("evaluated").iterdir())
    return sorted(path for path, name in found if name is not None and int(name.group(1)) == epoch)


def _make_room(cache: dict, most: int) -> None:  # type: ignore[type-arg]
    while len(cache) >= most:
        cache.pop(next(iter(cache)))


def _as_words(tags: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(tags, dtype=np.uint8).view("S16").reshape(-1)
