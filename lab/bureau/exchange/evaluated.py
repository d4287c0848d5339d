"""The evaluated register: F(x) of every enterprise, computed once for a register version, an engine and a key epoch.

It lies in one file of 32 bytes a row, in row order, and is read by memory map. It is made in shards, each kept as soon
as it is done, so that a process that is killed loses the shards it had in hand and no more; what other versions have
evaluated is taken over, the shards of an interrupted one among it, so only what is new is computed. Whoever held the
file could link enterprises across contracts, so it stays.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.bureau.exchange.carried import Carried
from lab.bureau.home import BureauHome, alone_in, sync_folder
from lab.bureau.keys import BureauKeys
from lab.bureau.ledger import BUREAU, Fact, record
from lab.bureau.register import Snapshot, Snapshots
from lab.bureau.register.snapshot import list_snapshots
from lab.bureau.store import Store
from lab.terms.errors import Unreachable
from lab.terms.progress import SILENT, Progress
from protocols.crew import Crew, CrewLost, SoloCrew
from protocols.matching.bureau import SHARD, VALUE_BYTES, evaluate_register

VALUES = "values"
_PARTIAL, _DONE = "partial", f"done-{SHARD}"
_VERSIONS_KEPT = 3
_ALONE = 2 * SHARD  # up to so many rows a crew's start would take longer than the work


@dataclass(frozen=True, slots=True)
class EvaluatedRegister:
    """One evaluated register: ``values`` uint8 [rows, 32], memory-mapped, in row order."""

    snapshot: Snapshot
    engine: str
    epoch: int
    folder: Path
    values: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How an evaluated register came to be: rows in all, computed now, taken over, found from an interrupted run."""

    rows: int
    computed: int
    carried: int
    resumed: int


class EvaluatedRegisters:
    """Evaluated registers on disk. Safe to use from several threads and processes.

    ``crew`` opens the crew that evaluates; it is asked for when there is much to do and closed afterwards.
    """

    def __init__(
        self,
        store: Store,
        home: BureauHome,
        keys: BureauKeys,
        snapshots: Snapshots,
        crew: Callable[[], Crew] = SoloCrew,
    ) -> None:
        self._store, self._home, self._keys, self._snapshots, self._crew = store, home, keys, snapshots, crew

    def find(self, snapshot: Snapshot, engine: str, epoch: int) -> EvaluatedRegister | None:
        """The evaluated register, or None if it is not made yet."""
        folder = self.folder(snapshot, engine, epoch)
        path = folder / VALUES
        if not path.is_file() or path.stat().st_size != snapshot.rows * VALUE_BYTES:
            return None
        values = np.memmap(path, dtype=np.uint8, mode="r", shape=(snapshot.rows, VALUE_BYTES))
        return EvaluatedRegister(snapshot, engine, epoch, folder, values)

    def is_kept(self, snapshot: Snapshot, engine: str, epoch: int) -> bool:
        """Whether the register is evaluated already under the keys of ``epoch``."""
        return self.find(snapshot, engine, epoch) is not None

    def register(
        self, snapshot: Snapshot, engine: str, epoch: int, progress: Progress = SILENT, *, by: str = BUREAU
    ) -> EvaluatedRegister:
        """The evaluated register, made now if it is not there. Raises ``Refused`` if the epoch has no key."""
        found = self.find(snapshot, engine, epoch)
        if found is None:
            self.evaluate(snapshot, engine, epoch, progress, by=by)
            found = self.find(snapshot, engine, epoch)
        if found is None:
            raise OSError("the evaluated register was removed as it was made")
        return found

    def evaluate(
        self,
        snapshot: Snapshot,
        engine: str,
        epoch: int,
        progress: Progress = SILENT,
        *,
        crew: Crew | None = None,
        by: str = BUREAU,
    ) -> Evaluation | None:
        """Make the evaluated register; None if it is there. Interrupted, it goes on after the shards that were kept.

        Raises ``Unreachable`` if the workers are lost; the shards they have done are kept.
        """
        with alone_in(self.folder(snapshot, engine, epoch)) as folder:
            if self.is_kept(snapshot, engine, epoch):
                return None

            def work(key: bytes) -> Evaluation:
                workers = crew or (SoloCrew() if snapshot.rows <= _ALONE else self._crew())
                try:
                    return self._evaluate(folder, snapshot, engine, epoch, key, workers, progress)
                finally:
                    if crew is None:
                        workers.close()

            try:
                done = self._keys.with_matching_key(engine, epoch, work)
            except CrewLost as error:
                raise Unreachable(
                    str(error), next_step="look at the workers, and begin again: it goes on where it was"
                ) from None
            self._keep(folder, snapshot, engine, epoch, done, by)
        self._prune(snapshot, engine, epoch)
        return done

    def forget(self, epoch: int) -> None:
        """Remove everything that was made under the keys of ``epoch``: evaluated registers, set-ups, indexes."""
        shutil.rmtree(self._home.path(f"evaluated/{epoch}"), ignore_errors=True)

    def folder(self, snapshot: Snapshot, engine: str, epoch: int) -> Path:
        """Where a register version's values under an epoch lie, and what is made of them."""
        return self._home.path(f"evaluated/{epoch}/{engine}/{snapshot.name}-{snapshot.version}-{snapshot.sha256[:12]}")

    def _evaluate(
        self,
        folder: Path,
        snapshot: Snapshot,
        engine: str,
        epoch: int,
        key: bytes,
        crew: Crew,
        progress: Progress,
    ) -> Evaluation:
        shards = -(-snapshot.rows // SHARD)
        data = os.open(folder / _PARTIAL, os.O_RDWR | os.O_CREAT, 0o600)
        marks = os.open(folder / _DONE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.truncate(data, snapshot.rows * VALUE_BYTES)
            kept = {place for place, mark in enumerate(os.pread(marks, shards, 0)) if mark}
            under_way: deque[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]] = deque()
            carried = computed = 0

            def rows() -> Iterator[tuple[Any, ...]]:
                formers = self._formers(snapshot, engine, epoch)
                for shard in (number for number in range(shards) if number not in kept):
                    codes = self._snapshots.identifiers(snapshot, shard * SHARD, SHARD)
                    values = np.zeros((len(codes), VALUE_BYTES), dtype=np.uint8)
                    fresh = np.ones(len(codes), dtype=bool)
                    for former in formers:
                        open_places = np.flatnonzero(fresh)
                        places, known = former.take([codes[place] for place in open_places.tolist()])
                        values[open_places[places]], fresh[open_places[places]] = known, False
                    under_way.append((shard, values, fresh))
                    yield engine, key, [codes[place] for place in np.flatnonzero(fresh).tolist()]

            with progress.stage("evaluate", snapshot.rows) as stage:
                stage.advance(sum(min(SHARD, snapshot.rows - shard * SHARD) for shard in kept))
                for found in crew.map(evaluate_register, rows()):
                    shard, values, fresh = under_way.popleft()
                    values[fresh] = found
                    os.pwrite(data, values.tobytes(), shard * SHARD * VALUE_BYTES)
                    os.fdatasync(data)  # the shard is on the disk before it is marked as done
                    os.pwrite(marks, b"\x01", shard)
                    computed, carried = computed + len(found), carried + len(values) - len(found)
                    stage.advance(len(values))
        finally:
            os.close(data)
            os.close(marks)
        return Evaluation(snapshot.rows, computed, carried, snapshot.rows - computed - carried)

    def _formers(self, snapshot: Snapshot, engine: str, epoch: int) -> list[Carried]:
        """Other versions to take values from: the newest that is evaluated, and those newer than it that were begun."""
        with self._store.read() as session:
            others = [other for other in list_snapshots(session, snapshot.name) if other.version != snapshot.version]
        formers: list[Carried] = []
        for other in others:
            whole = self.find(other, engine, epoch)
            if whole is not None:
                return [*formers, Carried(self._snapshots, other, whole.values)]
            begun = self._begun(other, engine, epoch)
            if begun is not None:
                formers.append(begun)
        return formers

    def _begun(self, snapshot: Snapshot, engine: str, epoch: int) -> Carried | None:
        """The shards that are done of an evaluation that is under way or was interrupted."""
        folder = self.folder(snapshot, engine, epoch)
        try:
            done = (folder / _DONE).read_bytes()
            shape = (snapshot.rows, VALUE_BYTES)
            values = np.memmap(folder / _PARTIAL, dtype=np.uint8, mode="r", shape=shape)
        except (OSError, ValueError):  # none was begun, or it has come to its end just now
            return None
        marks = frozenset(place for place, mark in enumerate(done) if mark)
        return Carried(self._snapshots, snapshot, values, lambda row: row // SHARD in marks) if marks else None

    def _keep(self, folder: Path, snapshot: Snapshot, engine: str, epoch: int, done: Evaluation, by: str) -> None:
        """The finished file gets its name in the transaction of its entry."""
        with self._store.begin() as session:
            facts: dict[str, Fact] = {
                "register": snapshot.name,
                "version": snapshot.version,
                "engine": engine,
                "epoch": epoch,
                "rows": done.rows,
                "computed": done.computed,
                "carried": done.carried,
                "resumed": done.resumed,
            }
            record(session, "register.evaluated", None, facts, by=by)
            os.replace(folder / _PARTIAL, folder / VALUES)
            sync_folder(folder)
        (folder / _DONE).unlink(missing_ok=True)

    def _prune(self, snapshot: Snapshot, engine: str, epoch: int) -> None:
        """Let old versions go: whoever asks for one again has it made again."""
        with self._store.read() as session:
            older = [other for other in list_snapshots(session, snapshot.name) if other.version < snapshot.version]
        for other in older[_VERSIONS_KEPT - 1 :]:
            shutil.rmtree(self.folder(other, engine, epoch), ignore_errors=True)
