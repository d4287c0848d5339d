"""The indexes of all contracts: made on demand, stored, and found again by the hash of their set-up.

An index in which a damaged block is found is removed and made again, from the evaluated register; if that is damaged,
its damaged shards are computed again first. So a reader gets what was written, or waits, or is refused.

A contract's set-up keeps its geometry from one register version to the next while it fits, so that a delta between two
of them is small. The newest few of a contract are kept as starting points of deltas.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.register import SnapshotReader
from lab.bureau.exchange.matching.background_work import BackgroundWork
from lab.bureau.exchange.matching.evaluated_register import EVALUATIONS_ROOT, EvaluatedRegister, EvaluatedRegisterStore
from lab.bureau.exchange.matching.index import (
    CHUNK_ROWS,
    MANIFEST_FILE,
    ContractIndex,
    IndexSource,
    make_index,
    open_index,
)
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.disk.checked_files import DamagedFile, file_identity, read_checked, write_checked
from lab.disk.locks import lock_folder
from lab.terms.errors import NotFound
from lab.terms.progress import Progress
from protocols.matching.bureau import (
    BucketGeometry,
    decode_bucket,
    derive_counting_marks,
    derive_tags_and_marks,
    encode_bucket,
    multiset_difference,
    pack_delta,
)

_MAX_STORED_INDEXES = 4
_SETS, _MATCH, _COUNT, _DELTA = "sets", "match", "count-", "delta-"
_MAX_OPEN_INDEXES = 16
_Result = TypeVar("_Result")
_DELTA_IDENTITY_COMPONENTS = 9
"""Epoch, engine, contract, operation, register version, rows, ``sets``, ``match``, the delta."""
_QUICK_INDEX_ROWS = 200_000
"""Up to so many rows, an index is made while the bank waits: about a second's work."""
_QUICK_COMPARISON_ENTRIES = 4_000_000
"""Up to so many entries in both, set-ups are compared while the bank waits: a third of a second's work."""
_QUICK_EVALUATION_ROWS = 50_000
"""Up to so many rows, a register is evaluated while the bank waits: a few seconds' work."""


@dataclass(frozen=True, slots=True)
class IndexKey:
    """Which index: the scope of its key, its rows and, for counting, the job that it is for."""

    key_scope: MatchingKeyScope
    selection: RowSelection
    counting_job: str | None = None


class ContractIndexes:
    """Indexes on disk, a few of them open. Safe to use from several threads."""

    def __init__(
        self,
        home: BureauHome,
        snapshots: SnapshotReader,
        evaluated: EvaluatedRegisterStore,
        statements: KeyStatements,
        background: BackgroundWork,
    ) -> None:
        self._home, self._snapshots, self._evaluated = home, snapshots, evaluated
        self._statements, self._background = statements, background
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[int, ContractIndex]] = {}

    def get_or_make(self, key: IndexKey) -> ContractIndex:
        """The index, made if it does not exist. Raises ``Busy`` while a large register is evaluated or indexed."""
        try:
            return self._find_or_make(key)
        except DamagedFile:  # of the evaluated register, found as the index was made of it
            self._evaluated.mend(key.key_scope, key.selection)
            return self._find_or_make(key)

    def find_rows(self, key: IndexKey, tags: NDArray[np.uint8]) -> NDArray[np.int64]:
        """As ``ContractIndex.find``, in the index ``key``, made if it does not exist or is damaged. Raises ``Busy``."""
        return self._use(key, lambda index: index.find(tags))

    def read_buckets(self, key: IndexKey, sha256: str, first: int, count: int) -> list[bytes]:
        """As ``ContractIndex.buckets``, of the set-up with this hash; an index that is damaged is made again. Raises
        ``NotFound`` if that has another hash, ``Busy``."""

        def read(index: ContractIndex) -> list[bytes]:
            if index.setup.sha256 != sha256:
                raise NotFound(
                    "The set-up of this name is not the present one: the bureau has made it again.",
                    next_step="fetch the manifest again",
                )
            return index.buckets(first, count)

        return self._use(key, read)

    def _use(self, key: IndexKey, read: Callable[[ContractIndex], _Result]) -> _Result:
        """What ``read`` finds in an index, or in the one that is made again because it is damaged."""
        try:
            return read(self.get_or_make(key))
        except DamagedFile:
            self._remove(self._folder(key))
            return read(self.get_or_make(key))

    def _remove(self, folder: Path) -> None:
        with lock_folder(folder.parent), self._lock:
            self._open.pop(folder, None)
            shutil.rmtree(folder, ignore_errors=True)

    def _find_or_make(self, key: IndexKey) -> ContractIndex:
        kept = self.find(key)
        if kept is not None:
            return kept
        scope, selection = key.key_scope, key.selection
        register = self._evaluated.find(scope, selection)
        if register is None:
            register = self._background.get_result(
                self._evaluated.folder(scope, selection),
                selection.count <= _QUICK_EVALUATION_ROWS,
                partial(self._evaluated.get_or_evaluate, scope, selection),
            )
        return self._background.get_result(
            self._folder(key), selection.count <= _QUICK_INDEX_ROWS, partial(self._make, key, register)
        )

    def find(self, key: IndexKey) -> ContractIndex | None:
        """The index, or None if it does not exist."""
        return self._kept(self._folder(key))

    def _folder(self, key: IndexKey) -> Path:
        name = _MATCH if key.counting_job is None else f"{_COUNT}{key.counting_job}"
        return self._evaluated.folder(key.key_scope, key.selection) / _SETS / name

    def delta(self, new: ContractIndex, old_sha256: str, contract: str) -> bytes:
        """The frame that turns an earlier set-up of the contract into ``new``; raises ``NotFound`` if there is none."""
        setup = new.setup
        # Marks for counting belong to one job, so there is no delta to those of another.
        if old_sha256 == setup.sha256 or setup.for_counting:
            raise _no_delta()
        for folder in self._made_for(MatchingKeyScope(contract, "match", setup.engine, setup.epoch)):
            old = self._kept(folder)
            if old is not None and old.setup.sha256 == old_sha256:
                break
        else:
            raise _no_delta()
        if old.setup.geometry != setup.geometry:
            raise _no_delta()
        kept = new.folder / f"{_DELTA}{old.setup.sha256}"
        with suppress(FileNotFoundError, DamagedFile):
            return read_checked(kept, identity=file_identity(kept, _DELTA_IDENTITY_COMPONENTS))
        entries = old.setup.entries + setup.entries
        try:
            return self._background.get_result(
                kept, entries <= _QUICK_COMPARISON_ENTRIES, partial(_compare, old, new, kept)
            )
        except DamagedFile:
            raise _no_delta() from None

    def _make(self, key: IndexKey, register: EvaluatedRegister, progress: Progress) -> ContractIndex:
        with lock_folder(self._folder(key).parent):
            return self._made(key, register, progress)

    def _made(self, key: IndexKey, register: EvaluatedRegister, progress: Progress) -> ContractIndex:
        kept = self.find(key)
        if kept is not None:
            return kept
        scope, selection, counting = key.key_scope, key.selection, key.counting_job
        source = IndexSource(selection.count, partial(self._parts, register))

        def count(_: object, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return derive_counting_marks(scope.contract, str(counting), values)

        earlier = self._made_for(scope)
        made = make_index(
            self._folder(key),
            source,
            partial(derive_tags_and_marks, scope.contract) if counting is None else count,
            BucketGeometry.for_entries(source.rows, self._geometry(earlier) if counting is None else None),
            progress,
            scope,
            self._statements.get_or_make(scope),
        )
        for old in earlier[_MAX_STORED_INDEXES - 1 :]:
            shutil.rmtree(old, ignore_errors=True)
        return made

    def _parts(self, register: EvaluatedRegister) -> Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.uint8]]]:
        """Row numbers, identifiers and evaluations, in chunks."""
        selection = register.selection
        for start in range(0, selection.count, CHUNK_ROWS):
            rows = np.array(selection.rows(start, CHUNK_ROWS), dtype=np.int64)
            names = selection.identifiers(self._snapshots, start, CHUNK_ROWS)
            yield rows, names, register.evaluations.read(start, len(rows))

    def _kept(self, folder: Path) -> ContractIndex | None:
        """The index in ``folder``, or None if it was removed."""
        with self._lock:
            kept = self._open.pop(folder, None)
            try:
                made = (folder / MANIFEST_FILE).stat().st_mtime_ns
            except OSError:
                return None
            found = kept[1] if kept is not None and kept[0] == made else open_index(folder)
            if found is not None:
                while len(self._open) >= _MAX_OPEN_INDEXES:
                    self._open.pop(next(iter(self._open)))
                self._open[folder] = (made, found)  # at the end: the one used longest ago is closed first
            return found

    def _geometry(self, earlier: list[Path]) -> BucketGeometry | None:
        for folder in earlier:
            found = self._kept(folder)
            if found is not None:
                return found.setup.geometry
        return None

    def _made_for(self, scope: MatchingKeyScope) -> list[Path]:
        """The folders of the indexes made for a contract and operation, newest first."""
        base = f"{EVALUATIONS_ROOT}/{scope.epoch}/{scope.engine}/{scope.contract}/{scope.operation}"
        found = self._home.path(base).glob(f"*/*/{_SETS}/*/{MANIFEST_FILE}")
        dated = sorted(((path.stat().st_mtime_ns, path.parent) for path in found), reverse=True)
        return [folder for _, folder in dated if not folder.name.endswith(".new")]


def _compare(old: ContractIndex, new: ContractIndex, kept: Path, progress: Progress) -> bytes:
    """The delta between two set-ups of one geometry, stored beside the newer one for the next request."""
    added, removed = [], []
    with progress.stage("compare", new.setup.geometry.buckets) as stage:
        for number in range(new.setup.geometry.buckets):
            pair = [decode_bucket(index.buckets(number, 1)[0], new.setup.geometry) for index in (old, new)]
            more, fewer = multiset_difference(*pair)
            added.append(encode_bucket(more))
            removed.append(encode_bucket(fewer))
            stage.advance()
    delta = pack_delta(old.setup.sha256, new.setup.sha256, added, removed)
    with suppress(FileNotFoundError):  # the index may have been removed meanwhile
        write_checked(kept, delta, identity=file_identity(kept, _DELTA_IDENTITY_COMPONENTS))
    return delta


def _no_delta() -> NotFound:
    return NotFound("No delta leads from that set-up to the present one.", next_step="fetch the set-up in full")
