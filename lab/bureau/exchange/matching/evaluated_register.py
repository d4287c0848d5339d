"""The evaluated register: F(x) of every enterprise that a contract may use, under its key for an operation.

It is computed once for a register version and a key epoch, and where the contract requires consent, for the consenting
rows only. It is one file of 32 bytes a row, in row order. It is made in shards, each stored with its digest as soon as
it is done, so that a process that is killed loses only the shards in progress. Values evaluated before for the same
contract and operation are reused, also the shards of an interrupted evaluation, so that only new rows are computed.
Shards are checked when they are read (``evaluation_file``): a damaged one is never reused, and ``mend`` has it computed
again. The file never leaves the bureau: whoever has it could find the enterprise of each of the contract's marks.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentingRows
from lab.bureau.data.register import Snapshot, SnapshotReader
from lab.bureau.data.register.snapshot import list_snapshots
from lab.bureau.exchange.matching.evaluation_file import (
    EVALUATIONS_FILE,
    NOT_DONE,
    Evaluations,
    evaluations_identity,
    find_done_shards,
    open_evaluations,
    open_partial_evaluations,
)
from lab.bureau.exchange.matching.evaluation_reuse import EarlierEvaluations
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.disk.checked_blocks import DIGEST_BYTES, BlockTable, digest_block, table_path, write_table
from lab.disk.checked_files import DamagedFile, file_identity, read_checked, write_checked
from lab.disk.locks import lock_folder
from lab.disk.private_files import replace_private, sync_folder
from lab.terms.errors import Unreachable
from lab.terms.progress import SILENT, Progress
from protocols.compute_pool import ComputePool, ComputePoolError, SerialComputePool
from protocols.matching.bureau import EVALUATION_BYTES, REGISTER_CHUNK_ROWS, evaluate_register, timed

EVALUATIONS_ROOT = "evaluated/by-contract"
"""An earlier version of this program stored beside it the evaluations that all contracts shared (``remove_legacy``)."""
_PARTIAL, _ROWS, _DONE = "partial", "rows", f"done-{REGISTER_CHUNK_ROWS}"
_ROWS_IDENTITY_COMPONENTS = 7
_MAX_VERSIONS = 3
_MAX_SELECTIONS = 4  # consenting rows change with each consent
_MAX_SERIAL_ROWS = 2 * REGISTER_CHUNK_ROWS  # up to so many rows, starting a pool would take longer than the work


@dataclass(frozen=True, slots=True)
class EvaluatedRegister:
    """One evaluated register: its ``evaluations`` in row order."""

    key_scope: MatchingKeyScope
    selection: RowSelection
    folder: Path
    evaluations: Evaluations


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """The rows of an evaluation: in all, computed now, reused, and resumed from an interrupted run; and the processor
    seconds of the engine's arithmetic."""

    rows: int
    computed: int
    reused: int
    resumed: int
    arithmetic_seconds: float = field(default=0.0, compare=False)


class EvaluatedRegisterStore:
    """Evaluated registers on disk. Safe to use from several threads and processes.

    ``open_pool`` opens the workers that evaluate many rows; they are closed afterwards.
    """

    def __init__(
        self,
        store: Database,
        home: BureauHome,
        keys: BureauKeys,
        snapshots: SnapshotReader,
        open_pool: Callable[[], ComputePool] = SerialComputePool,
    ) -> None:
        self._store, self._home, self._keys, self._snapshots, self._open_pool = store, home, keys, snapshots, open_pool

    def find(self, scope: MatchingKeyScope, selection: RowSelection) -> EvaluatedRegister | None:
        """The evaluated register, or None if it does not exist, or if its digests are lost."""
        folder = self.folder(scope, selection)
        try:
            return EvaluatedRegister(scope, selection, folder, Evaluations(open_evaluations(folder, selection.count)))
        except (FileNotFoundError, DamagedFile):
            return None

    def is_evaluated(self, scope: MatchingKeyScope, selection: RowSelection) -> bool:
        """Whether it is evaluated."""
        return self.find(scope, selection) is not None

    def get_or_evaluate(
        self, scope: MatchingKeyScope, selection: RowSelection, progress: Progress = SILENT, *, by: str = BUREAU_ACTOR
    ) -> EvaluatedRegister:
        """The evaluated register, made now if it does not exist. Raises ``NotAllowed`` if the epoch has no key."""
        found = self.find(scope, selection)
        if found is None:
            self.evaluate(scope, selection, progress, by=by)
            found = self.find(scope, selection)
        if found is None:
            raise OSError("the evaluated register was removed as it was made")
        return found

    def evaluate(
        self,
        scope: MatchingKeyScope,
        selection: RowSelection,
        progress: Progress = SILENT,
        *,
        pool: ComputePool | None = None,
        by: str = BUREAU_ACTOR,
    ) -> EvaluationSummary | None:
        """Make the evaluated register; None if it exists. After an interruption it continues with the stored shards.

        Raises ``Unreachable`` if the workers are lost (finished shards stay), ``NotAllowed`` if the epoch has no key.
        """
        with lock_folder(self.folder(scope, selection)) as folder:
            if self.is_evaluated(scope, selection):
                return None

            def work(key: bytes) -> EvaluationSummary:
                workers = pool or (SerialComputePool() if selection.count <= _MAX_SERIAL_ROWS else self._open_pool())
                try:
                    return self._evaluate(folder, scope, selection, key, workers, progress)
                finally:
                    if pool is None:
                        workers.close()

            try:
                done = self._keys.with_matching_key(scope.engine, scope.epoch, scope.contract, scope.operation, work)
            except ComputePoolError as error:
                raise Unreachable(
                    str(error), next_step="check the workers, and start again: it continues where it was"
                ) from None
            self._finish(folder, scope, selection, done, by)
        self._prune(scope, selection)
        return done

    def mend(self, scope: MatchingKeyScope, selection: RowSelection) -> int:
        """Have the damaged shards of an evaluated register made again at the next ``evaluate``; the others are kept.
        Returns the number of damaged shards."""
        with lock_folder(self.folder(scope, selection)) as folder:
            path = folder / EVALUATIONS_FILE
            try:
                blocks = open_evaluations(folder, selection.count)
            except (OSError, DamagedFile):
                return 0  # ``evaluate`` makes it from the beginning
            damaged = list(blocks.damaged_blocks())
            if damaged:
                digests = bytearray(blocks.table.digests)
                for shard in damaged:
                    digests[shard * DIGEST_BYTES : (shard + 1) * DIGEST_BYTES] = NOT_DONE
                replace_private(folder / _DONE, bytes(digests))
                os.replace(path, folder / _PARTIAL)
                table_path(path).unlink(missing_ok=True)
                sync_folder(folder)
        return len(damaged)

    def remove_epoch(self, epoch: int) -> None:
        """Remove everything made under the keys of ``epoch``: evaluated registers, set-ups, indexes."""
        shutil.rmtree(self._home.path(f"{EVALUATIONS_ROOT}/{epoch}"), ignore_errors=True)

    def remove_contracts(self, over: Callable[[str], bool]) -> int:
        """Remove everything made for contracts that are ``over``; returns the number of contracts and epochs."""
        found = [path for path in self._home.path(EVALUATIONS_ROOT).glob("*/*/*") if over(path.name)]
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return len(found)

    def remove_register_version(self, register: str, version: int, sha256: str) -> None:
        """Remove everything made of one register version, under whatever key."""
        for folder in self._home.path(EVALUATIONS_ROOT).glob(f"*/*/*/*/{_version_name(register, version, sha256)}"):
            shutil.rmtree(folder, ignore_errors=True)

    def remove_legacy(self) -> int:
        """Remove what an earlier version of this program evaluated under keys that all contracts shared; returns the
        number of epochs."""
        found = [path for path in self._home.path("evaluated").glob("*") if path.name != Path(EVALUATIONS_ROOT).name]
        for path in found:
            shutil.rmtree(path, ignore_errors=True)
        return len(found)

    def folder(self, scope: MatchingKeyScope, selection: RowSelection) -> Path:
        """The folder of these rows' evaluations under a key, and of the indexes made from them."""
        return self._versions(scope, selection.snapshot) / selection.folder_name

    def _versions(self, scope: MatchingKeyScope, snapshot: Snapshot) -> Path:
        """The folder of one register version, with a folder for each selection of rows."""
        base = self._home.path(f"{EVALUATIONS_ROOT}/{scope.epoch}/{scope.engine}/{scope.contract}/{scope.operation}")
        return base / _version_name(snapshot.name, snapshot.version, snapshot.sha256)

    def _evaluate(
        self,
        folder: Path,
        scope: MatchingKeyScope,
        selection: RowSelection,
        key: bytes,
        pool: ComputePool,
        progress: Progress,
    ) -> EvaluationSummary:
        shards = -(-selection.count // REGISTER_CHUNK_ROWS)
        if selection.consenting is not None:
            rows_file = folder / _ROWS
            write_checked(rows_file, selection.consenting.rows.astype("<i8").tobytes(), identity=_rows_identity(folder))
        identity = evaluations_identity(folder)
        data = os.open(folder / _PARTIAL, os.O_RDWR | os.O_CREAT, 0o600)
        marks = os.open(folder / _DONE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.truncate(data, selection.count * EVALUATION_BYTES)
            os.truncate(marks, shards * DIGEST_BYTES)
            done = os.pread(marks, shards * DIGEST_BYTES, 0)
            kept = find_done_shards(
                open_partial_evaluations(folder / _PARTIAL, done, selection.count, REGISTER_CHUNK_ROWS)
            )
            in_progress: deque[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]] = deque()
            reused = computed = 0
            arithmetic = 0.0

            def rows() -> Iterator[tuple[Any, ...]]:
                earlier_evaluations = self._list_earlier(folder, scope, selection)
                for shard in (number for number in range(shards) if number not in kept):
                    codes = selection.identifiers(self._snapshots, shard * REGISTER_CHUNK_ROWS, REGISTER_CHUNK_ROWS)
                    values = np.zeros((len(codes), EVALUATION_BYTES), dtype=np.uint8)
                    fresh = np.ones(len(codes), dtype=bool)
                    for earlier in earlier_evaluations:
                        open_places = np.flatnonzero(fresh)
                        places, known = earlier.find_evaluations([codes[place] for place in open_places.tolist()])
                        values[open_places[places]], fresh[open_places[places]] = known, False
                    in_progress.append((shard, values, fresh))
                    yield scope.engine, key, [codes[place] for place in np.flatnonzero(fresh).tolist()]

            with progress.stage("evaluate", selection.count) as stage:
                stage.advance(
                    sum(min(REGISTER_CHUNK_ROWS, selection.count - shard * REGISTER_CHUNK_ROWS) for shard in kept)
                )
                for found, seconds in pool.map(partial(timed, evaluate_register), rows()):
                    shard, values, fresh = in_progress.popleft()
                    values[fresh] = found
                    written = values.tobytes()
                    os.pwrite(data, written, shard * REGISTER_CHUNK_ROWS * EVALUATION_BYTES)
                    os.fdatasync(data)  # the shard is on the disk before it is marked as done
                    os.pwrite(marks, digest_block(identity, shard, written), shard * DIGEST_BYTES)
                    arithmetic += seconds
                    computed, reused = computed + len(found), reused + len(values) - len(found)
                    stage.advance(len(values))
        finally:
            os.close(data)
            os.close(marks)
        return EvaluationSummary(selection.count, computed, reused, selection.count - computed - reused, arithmetic)

    def _list_earlier(self, own: Path, scope: MatchingKeyScope, selection: RowSelection) -> list[EarlierEvaluations]:
        """The evaluations to reuse: the newest finished one, and unfinished ones that are newer."""
        with self._store.begin_read() as session:
            versions = list_snapshots(session, selection.snapshot.name)
        earlier_evaluations: list[EarlierEvaluations] = []
        for snapshot in versions:
            for folder in _newest_first(self._versions(scope, snapshot)):
                earlier = None if folder == own else self._read_earlier(folder, snapshot)
                if earlier is not None:
                    earlier_evaluations.append(earlier)
                    if (folder / EVALUATIONS_FILE).exists():
                        return earlier_evaluations
        return earlier_evaluations

    def _read_earlier(self, folder: Path, snapshot: Snapshot) -> EarlierEvaluations | None:
        """The evaluations in ``folder``: all rows, or the finished shards of an evaluation in progress or interrupted.
        None if there are none, or if they are removed at this moment."""
        try:
            selection = RowSelection(snapshot)
            if folder.name != selection.folder_name:
                rows = np.frombuffer(read_checked(folder / _ROWS, identity=_rows_identity(folder)), dtype="<i8")
                selection = RowSelection(snapshot, ConsentingRows(folder.name, rows))
            if (folder / EVALUATIONS_FILE).exists():
                blocks = open_evaluations(folder, selection.count)
            else:
                done = (folder / _DONE).read_bytes()
                blocks = open_partial_evaluations(folder / _PARTIAL, done, selection.count, REGISTER_CHUNK_ROWS)
        except (OSError, ValueError, DamagedFile):
            return None
        made = any(blocks.table.digests)
        return EarlierEvaluations(self._snapshots, selection, Evaluations(blocks)) if made else None

    def _finish(
        self, folder: Path, scope: MatchingKeyScope, selection: RowSelection, done: EvaluationSummary, by: str
    ) -> None:
        """Give the finished file its name, in the transaction of its entry."""
        with self._store.begin() as session:
            facts: dict[str, Fact] = {
                "register": selection.snapshot.name,
                "version": selection.snapshot.version,
                "operation": scope.operation,
                "engine": scope.engine,
                "epoch": scope.epoch,
                "rows": done.rows,
                "computed": done.computed,
                "carried": done.reused,
                "resumed": done.resumed,
            }
            record(session, "register.evaluated", scope.contract, facts, by=by)
            size, shard_bytes = selection.count * EVALUATION_BYTES, REGISTER_CHUNK_ROWS * EVALUATION_BYTES
            table = BlockTable(size, shard_bytes, (folder / _DONE).read_bytes())
            write_table(folder / EVALUATIONS_FILE, table, identity=evaluations_identity(folder))
            os.replace(folder / _PARTIAL, folder / EVALUATIONS_FILE)
            sync_folder(folder)
        (folder / _DONE).unlink(missing_ok=True)

    def _prune(self, scope: MatchingKeyScope, selection: RowSelection) -> None:
        """Remove old versions and earlier selections of rows: one that is needed again is made again."""
        present = selection.snapshot
        with self._store.begin_read() as session:
            older = [other for other in list_snapshots(session, present.name) if other.version < present.version]
        for other in older[_MAX_VERSIONS - 1 :]:
            shutil.rmtree(self._versions(scope, other), ignore_errors=True)
        for folder in _newest_first(self._versions(scope, present))[_MAX_SELECTIONS:]:
            if folder != self.folder(scope, selection):
                shutil.rmtree(folder, ignore_errors=True)


def _version_name(register: str, version: int, sha256: str) -> str:
    """The name of a register version's folder."""
    return f"{register}-{version}-{sha256[:12]}"


def _newest_first(folder: Path) -> list[Path]:
    dated = []
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            if path.is_dir():
                dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]


def _rows_identity(folder: Path) -> str:
    return file_identity(folder / _ROWS, _ROWS_IDENTITY_COMPONENTS)
