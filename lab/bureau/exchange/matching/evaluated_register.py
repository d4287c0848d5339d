"""The evaluated register: F(x) of every enterprise that a contract may touch, under its key for an operation.

It is computed once for a register version and a key epoch, and where the contract requires consent, of the admitted
rows alone. It lies in one file of 32 bytes a row, in row order, and is read by memory map. It is made in shards, each
kept as soon as it is done, so that a process that is killed loses the shards it had in hand and no more; what was
evaluated for the same contract and operation before is taken over, the shards of an interrupted evaluation among it, so
only what is new is computed. It stays here: whoever held it could name the contract's marks.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentingRows
from lab.bureau.data.register import Snapshot, SnapshotReader
from lab.bureau.data.register.snapshot import list_snapshots
from lab.bureau.exchange.matching.evaluation_reuse import EarlierEvaluations
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.disk.locks import lock_folder
from lab.disk.private_files import replace_private, sync_folder
from lab.terms.errors import Unreachable
from lab.terms.progress import SILENT, Progress
from protocols.compute_pool import ComputePool, ComputePoolError, SerialComputePool
from protocols.matching.bureau import EVALUATION_BYTES, REGISTER_CHUNK_ROWS, evaluate_register

EVALUATIONS_FILE = "values"
EVALUATIONS_ROOT = "evaluated/by-contract"
"""Beside it a former version kept what it evaluated for all contracts alike (``remove_former``)."""
_PARTIAL, _ROWS, _DONE = "partial", "rows", f"done-{REGISTER_CHUNK_ROWS}"
_VERSIONS_KEPT = 3
_KEPT_OF_A_VERSION = 4  # admitted rows change with each consent
_ALONE = 2 * REGISTER_CHUNK_ROWS  # up to so many rows a crew's start would take longer than the work


@dataclass(frozen=True, slots=True)
class EvaluatedRegister:
    """One evaluated register: ``values`` uint8 [rows, 32], memory-mapped, in row order."""

    key_scope: MatchingKeyScope
    selection: RowSelection
    folder: Path
    evaluations: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """How an evaluated register came to be: rows in all, computed now, taken over, found from an interrupted run."""

    rows: int
    computed: int
    reused: int
    resumed: int


class EvaluatedRegisterStore:
    """Evaluated registers on disk. Safe to use from several threads and processes.

    ``crew`` opens the crew that evaluates; it is asked for when there is much to do and closed afterwards.
    """

    def __init__(
        self,
        store: Database,
        home: BureauHome,
        keys: BureauKeys,
        snapshots: SnapshotReader,
        crew: Callable[[], ComputePool] = SerialComputePool,
    ) -> None:
        self._store, self._home, self._keys, self._snapshots, self._crew = store, home, keys, snapshots, crew

    def find(self, use: MatchingKeyScope, extent: RowSelection) -> EvaluatedRegister | None:
        """The evaluated register, or None if it is not made yet."""
        folder = self.folder(use, extent)
        path = folder / EVALUATIONS_FILE
        if not path.is_file() or path.stat().st_size != extent.count * EVALUATION_BYTES:
            return None
        return EvaluatedRegister(use, extent, folder, _mapped(path, extent.count))

    def is_evaluated(self, use: MatchingKeyScope, extent: RowSelection) -> bool:
        """Whether it is evaluated already."""
        return self.find(use, extent) is not None

    def get_or_evaluate(
        self, use: MatchingKeyScope, extent: RowSelection, progress: Progress = SILENT, *, by: str = BUREAU_ACTOR
    ) -> EvaluatedRegister:
        """The evaluated register, made now if it is not there. Raises ``NotAllowed`` if the epoch has no key."""
        found = self.find(use, extent)
        if found is None:
            self.evaluate(use, extent, progress, by=by)
            found = self.find(use, extent)
        if found is None:
            raise OSError("the evaluated register was removed as it was made")
        return found

    def evaluate(
        self,
        use: MatchingKeyScope,
        extent: RowSelection,
        progress: Progress = SILENT,
        *,
        crew: ComputePool | None = None,
        by: str = BUREAU_ACTOR,
    ) -> EvaluationSummary | None:
        """Make the evaluated register; None if it is there. Interrupted, it goes on after the shards that were kept.

        Raises ``Unreachable`` if the workers are lost; the shards they have done are kept.
        """
        with lock_folder(self.folder(use, extent)) as folder:
            if self.is_evaluated(use, extent):
                return None

            def work(key: bytes) -> EvaluationSummary:
                workers = crew or (SerialComputePool() if extent.count <= _ALONE else self._crew())
                try:
                    return self._evaluate(folder, use, extent, key, workers, progress)
                finally:
                    if crew is None:
                        workers.close()

            try:
                done = self._keys.with_matching_key(use.engine, use.epoch, use.contract, use.operation, work)
            except ComputePoolError as error:
                raise Unreachable(
                    str(error), next_step="look at the workers, and begin again: it goes on where it was"
                ) from None
            self._keep(folder, use, extent, done, by)
        self._prune(use, extent)
        return done

    def remove_epoch(self, epoch: int) -> None:
        """Remove everything that was made under the keys of ``epoch``: evaluated registers, set-ups, indexes."""
        shutil.rmtree(self._home.path(f"{EVALUATIONS_ROOT}/{epoch}"), ignore_errors=True)

    def remove_contracts(self, over: Callable[[str], bool]) -> int:
        """Remove everything that was made for contracts that are ``over``; of how many contracts and epochs."""
        found = [path for path in self._home.path(EVALUATIONS_ROOT).glob("*/*/*") if over(path.name)]
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return len(found)

    def remove_legacy(self) -> int:
        """Remove what a former version evaluated under keys that all contracts shared; of how many epochs."""
        found = [path for path in self._home.path("evaluated").glob("*") if path.name != Path(EVALUATIONS_ROOT).name]
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return len(found)

    def folder(self, use: MatchingKeyScope, extent: RowSelection) -> Path:
        """Where the values of these rows under a key lie, and what is made of them."""
        return self._versions(use, extent.snapshot) / extent.folder_name

    def _versions(self, use: MatchingKeyScope, snapshot: Snapshot) -> Path:
        """Of one register version: a folder for each choice of rows."""
        base = self._home.path(f"{EVALUATIONS_ROOT}/{use.epoch}/{use.engine}/{use.contract}/{use.operation}")
        return base / f"{snapshot.name}-{snapshot.version}-{snapshot.sha256[:12]}"

    def _evaluate(
        self,
        folder: Path,
        use: MatchingKeyScope,
        extent: RowSelection,
        key: bytes,
        crew: ComputePool,
        progress: Progress,
    ) -> EvaluationSummary:
        shards = -(-extent.count // REGISTER_CHUNK_ROWS)
        if extent.consenting is not None:
            replace_private(folder / _ROWS, extent.consenting.rows.astype("<i8").tobytes())
        data = os.open(folder / _PARTIAL, os.O_RDWR | os.O_CREAT, 0o600)
        marks = os.open(folder / _DONE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.truncate(data, extent.count * EVALUATION_BYTES)
            kept = {place for place, mark in enumerate(os.pread(marks, shards, 0)) if mark}
            under_way: deque[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]] = deque()
            carried = computed = 0

            def rows() -> Iterator[tuple[Any, ...]]:
                formers = self._formers(folder, use, extent)
                for shard in (number for number in range(shards) if number not in kept):
                    codes = extent.identifiers(self._snapshots, shard * REGISTER_CHUNK_ROWS, REGISTER_CHUNK_ROWS)
                    values = np.zeros((len(codes), EVALUATION_BYTES), dtype=np.uint8)
                    fresh = np.ones(len(codes), dtype=bool)
                    for former in formers:
                        open_places = np.flatnonzero(fresh)
                        places, known = former.find_evaluations([codes[place] for place in open_places.tolist()])
                        values[open_places[places]], fresh[open_places[places]] = known, False
                    under_way.append((shard, values, fresh))
                    yield use.engine, key, [codes[place] for place in np.flatnonzero(fresh).tolist()]

            with progress.stage("evaluate", extent.count) as stage:
                stage.advance(
                    sum(min(REGISTER_CHUNK_ROWS, extent.count - shard * REGISTER_CHUNK_ROWS) for shard in kept)
                )
                for found in crew.map(evaluate_register, rows()):
                    shard, values, fresh = under_way.popleft()
                    values[fresh] = found
                    os.pwrite(data, values.tobytes(), shard * REGISTER_CHUNK_ROWS * EVALUATION_BYTES)
                    os.fdatasync(data)  # the shard is on the disk before it is marked as done
                    os.pwrite(marks, b"\x01", shard)
                    computed, carried = computed + len(found), carried + len(values) - len(found)
                    stage.advance(len(values))
        finally:
            os.close(data)
            os.close(marks)
        return EvaluationSummary(extent.count, computed, carried, extent.count - computed - carried)

    def _formers(self, own: Path, use: MatchingKeyScope, extent: RowSelection) -> list[EarlierEvaluations]:
        """What to take values from: the newest that is evaluated, and those newer than it that were begun."""
        with self._store.begin_read() as session:
            versions = list_snapshots(session, extent.snapshot.name)
        formers: list[EarlierEvaluations] = []
        for snapshot in versions:
            for folder in _newest_first(self._versions(use, snapshot)):
                former = None if folder == own else self._former(folder, snapshot)
                if former is not None:
                    formers.append(former)
                    if (folder / EVALUATIONS_FILE).exists():
                        return formers
        return formers

    def _former(self, folder: Path, snapshot: Snapshot) -> EarlierEvaluations | None:
        """The values in ``folder``, of rows of ``snapshot``: all, or the shards that are done of an evaluation that is
        under way or was interrupted. None if there are none, or they have come to their end just now."""
        try:
            extent = RowSelection(snapshot)
            if folder.name != extent.folder_name:
                extent = RowSelection(snapshot, ConsentingRows(folder.name, np.fromfile(folder / _ROWS, dtype="<i8")))
            if (folder / EVALUATIONS_FILE).exists():
                return EarlierEvaluations(self._snapshots, extent, _mapped(folder / EVALUATIONS_FILE, extent.count))
            done, values = (folder / _DONE).read_bytes(), _mapped(folder / _PARTIAL, extent.count)
        except (OSError, ValueError):
            return None
        marks = frozenset(place for place, mark in enumerate(done) if mark)
        return (
            EarlierEvaluations(self._snapshots, extent, values, lambda place: place // REGISTER_CHUNK_ROWS in marks)
            if marks
            else None
        )

    def _keep(
        self, folder: Path, use: MatchingKeyScope, extent: RowSelection, done: EvaluationSummary, by: str
    ) -> None:
        """The finished file gets its name in the transaction of its entry."""
        with self._store.begin() as session:
            facts: dict[str, Fact] = {
                "register": extent.snapshot.name,
                "version": extent.snapshot.version,
                "operation": use.operation,
                "engine": use.engine,
                "epoch": use.epoch,
                "rows": done.rows,
                "computed": done.computed,
                "carried": done.reused,
                "resumed": done.resumed,
            }
            record(session, "register.evaluated", use.contract, facts, by=by)
            os.replace(folder / _PARTIAL, folder / EVALUATIONS_FILE)
            sync_folder(folder)
        (folder / _DONE).unlink(missing_ok=True)

    def _prune(self, use: MatchingKeyScope, extent: RowSelection) -> None:
        """Let old versions go, and earlier choices of rows: whoever asks for one again has it made again."""
        present = extent.snapshot
        with self._store.begin_read() as session:
            older = [other for other in list_snapshots(session, present.name) if other.version < present.version]
        for other in older[_VERSIONS_KEPT - 1 :]:
            shutil.rmtree(self._versions(use, other), ignore_errors=True)
        for folder in _newest_first(self._versions(use, present))[_KEPT_OF_A_VERSION:]:
            if folder != self.folder(use, extent):
                shutil.rmtree(folder, ignore_errors=True)


def _newest_first(folder: Path) -> list[Path]:
    dated = []
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            if path.is_dir():
                dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]


def _mapped(path: Path, rows: int) -> NDArray[np.uint8]:
    """A file of values, uint8 [rows, 32], read when it is looked at."""
    if not rows:
        return np.zeros((0, EVALUATION_BYTES), dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(rows, EVALUATION_BYTES))
