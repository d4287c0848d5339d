"""A job on disk, so that it can be resumed after it was stopped.

A run keeps what it has paid for: the match, encrypted batches until their replies are decrypted, and the decrypted
sums. The bureau charges a batch once, so sending it again byte for byte costs nothing. A run is found by its key, which
is made of the contract, portfolio, code column, codes to skip and encryption key: not of the output file, so another
one asks for nothing that was paid for already. ``manifest.json`` is written last; a run without it is not finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.runs.metadata import RunMetadata, read_run_metadata
from lab.bank.runs.run_files import (
    DIGESTS,
    digest_result,
    lost_run_file,
    read_result,
    read_run_facts,
    read_run_file,
    write_run_facts,
    write_run_file,
)
from lab.disk.locks import lock_or_refuse
from lab.disk.output_files import describe_disk_error
from lab.disk.private_files import replace_private
from lab.terms.errors import Conflict, MachineFault, NotFound

MANIFEST = "manifest.json"
SCORES = "scores.parquet"
OUTPUTS = "outputs.parquet"
SHEET = "sheet.json"
CONTRACT = "contract.json"
_KEY_DIGITS = 12
_DISK_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


@dataclass(frozen=True)
class Intersection:
    """The codes that matched: ``indices`` int64 [m], ascending, into the portfolio's codes, and ``tags`` uint8 [m, 16].

    ``false_positive_rate``: a bound on the probability that any of them is not in the register.
    """

    indices: NDArray[np.int64]
    tags: NDArray[np.uint8]
    false_positive_rate: float


@dataclass(frozen=True)
class BatchSums:
    """A batch's decrypted reply: ``places`` int64 [scored], ascending, the rows of the batch that were scored;
    ``values`` int64 [outputs, scored], their sums in quanta; and the receipt."""

    places: NDArray[np.int64]
    values: NDArray[np.int64]
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that is not finished, in its folder."""

    folder: Path
    resumed: bool
    metadata: RunMetadata

    @property
    def id(self) -> str:
        """The run's name."""
        return self.folder.name

    def intersection(self) -> Intersection | None:
        """The saved match, or None. Batches are built in its order, so a run never changes it. Raises
        ``DamagedFile``, as all that reads a run's files."""
        kept = self._read("match.npz")
        if kept is None:
            if any(self.folder.glob("batch-*")):
                raise lost_run_file(self.folder, "match.npz")  # another match would give its batches to other rows
            return None
        with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
            return Intersection(arrays["indices"], arrays["tags"], float(arrays["rate"]))

    def save_intersection(self, match: Intersection) -> None:
        """Save the match."""
        buffer = io.BytesIO()
        np.savez(buffer, indices=match.indices, tags=match.tags, rate=np.float64(match.false_positive_rate))
        self._write("match.npz", buffer.getvalue())

    def batch(self, number: int) -> bytes | None:
        """The saved encrypted batch, or None."""
        return self._read(f"batch-{number:05d}.frame")

    def save_batch(self, number: int, frame: bytes) -> None:
        """Save an encrypted batch until ``save_batch_sums``."""
        self._write(f"batch-{number:05d}.frame", frame)

    def batch_sums(self, number: int) -> BatchSums | None:
        """The saved sums of a batch; or None."""
        kept, receipt = self._read(f"batch-{number:05d}.npz"), self._read(f"batch-{number:05d}.receipt.json")
        if kept is None or receipt is None:
            if kept is not None:
                raise lost_run_file(self.folder, f"batch-{number:05d}.receipt.json")
            if receipt is not None and not (self.folder / f"batch-{number:05d}.frame").is_file():
                raise lost_run_file(self.folder, f"batch-{number:05d}.npz")
            return None
        with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
            return BatchSums(arrays["places"], arrays["values"], json.loads(receipt))

    def save_batch_sums(self, number: int, sums: BatchSums) -> None:
        """Save a batch's sums and receipt; the encrypted batch is removed."""
        buffer = io.BytesIO()
        np.savez(buffer, places=sums.places, values=sums.values)
        self._write(f"batch-{number:05d}.receipt.json", json.dumps(dict(sums.receipt)).encode())
        self._write(f"batch-{number:05d}.npz", buffer.getvalue())
        (self.folder / f"batch-{number:05d}.frame").unlink(missing_ok=True)

    def matching_receipts(self) -> list[dict[str, Any]]:
        """The saved receipts of matching requests, in the order of their hashes."""
        found = (self._read(path.name) for path in sorted(self.folder.glob("match-*.receipt.json")))
        return [json.loads(receipt) for receipt in found if receipt is not None]

    def save_matching_receipt(self, request: str, receipt: Mapping[str, Any]) -> None:
        """Save the receipt for a matching request, by the request's SHA-256; a later one replaces it."""
        self._write(f"match-{request}.receipt.json", json.dumps(dict(receipt)).encode())

    def finish_without_scores(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest of a run that does not score, and remove everything else of it."""
        write_run_facts(self.folder, MANIFEST, manifest)
        self._drop("match.npz", "match-*.receipt.json")

    def finish(
        self, *, scores: pl.DataFrame, outputs: pl.DataFrame, sheet: bytes, contract: bytes, manifest: Mapping[str, Any]
    ) -> None:
        """Write the results, the manifest last, and remove what was kept to resume the run."""
        results = {SHEET: sheet, CONTRACT: contract}
        for name, frame in ((SCORES, scores), (OUTPUTS, outputs)):
            buffer = io.BytesIO()
            frame.write_parquet(buffer)
            results[name] = buffer.getvalue()
        for name, content in results.items():
            replace_private(self.folder / name, content)
        digests = {name: digest_result(content) for name, content in results.items()}
        write_run_facts(self.folder, MANIFEST, {**manifest, DIGESTS: digests})
        self._drop(
            "match.npz", "match-*.receipt.json", "batch-*.npz", "batch-*.receipt.json", "batch-*.frame", "plan.*"
        )

    def discard(self) -> None:
        """Remove the folder of a run that was opened and has done nothing."""
        shutil.rmtree(self.folder)

    def _drop(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _read(self, name: str) -> bytes | None:
        return read_run_file(self.folder, name)

    def _write(self, name: str, content: bytes) -> None:
        write_run_file(self.folder, name, content)


def run_key(*parts: str) -> str:
    """The key of a run, hexadecimal: jobs with the same ``parts`` are the same job."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


@contextmanager
def open_run(runs: Path, key: str, metadata: RunMetadata, *, now: datetime) -> Iterator[Run]:
    """The unfinished run of this key, with the metadata it began with, or a new run; locked while open.

    Raises ``Conflict`` when another process works on it.
    """
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    short = key[:_KEY_DIGITS]
    unfinished = [path for path in sorted(runs.glob(f"*-{short}*")) if not (path / MANIFEST).exists()]
    folder = unfinished[-1] if unfinished else _new_folder(runs, f"{now:%Y%m%dT%H%M%S}-{short}")
    with lock_run(folder):
        if (folder / MANIFEST).exists():
            raise Conflict(f"Run {folder.name} was just finished elsewhere.", next_step="see `lab bank runs`")
        kept = read_run_metadata(folder)
        if kept is None:
            metadata.write(folder)
        yield Run(folder, bool(unfinished), kept or metadata)


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Turn a disk's refusal during a job into ``MachineFault``: what was paid for is kept, and is not charged again."""
    hint = "put that right (space, permissions); then the same command resumes the job, at no new charge"
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads what is printed: no fault of a disk
    except OSError as error:
        raise MachineFault(f"The job stopped: {describe_disk_error(error)}.", next_step=hint) from None
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DISK_CODES:
            raise
        raise MachineFault(f"The job stopped: the disk refused ({error.sqlite_errorname}).", next_step=hint) from None


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Lock a run for the block; raises ``Conflict`` if another process works on it, or if it was just removed."""
    gone = Conflict(f"Run {folder.name} was just removed elsewhere.", next_step="run the command again")
    lock = lock_or_refuse(folder / "lock", what=f"run {folder.name}", next_step="wait for it")
    with ExitStack() as held:
        try:
            held.enter_context(lock)
        except FileNotFoundError:
            raise gone from None
        if not (folder / "lock").exists():
            raise gone
        yield


def _new_folder(runs: Path, name: str) -> Path:
    for attempt in range(1, 1000):
        folder = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise Conflict("A thousand runs began in one second.", next_step="wait a second")


def is_running(folder: Path) -> bool:
    """Whether a process is working on a run."""
    try:
        with lock_run(folder):
            return False
    except Conflict:
        return True


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def scores(self) -> pl.DataFrame:
        """One row for each row of the portfolio. Raises ``DamagedFile``, as all results do."""
        return pl.read_parquet(io.BytesIO(self._read(SCORES)))

    @property
    def batch_rows(self) -> pl.DataFrame:
        """One row for each enterprise of the run's batches, in their order: ``code``, and one column for each output
        with the decrypted sums in quanta; null for one that the bureau dropped from a batch named again."""
        return pl.read_parquet(io.BytesIO(self._read(OUTPUTS)))

    @property
    def outputs(self) -> pl.DataFrame:
        """``batch_rows`` of the scored enterprises."""
        return self.batch_rows.drop_nulls()

    @property
    def sheet(self) -> bytes:
        """The model's sheet that the run used."""
        return self._read(SHEET)

    @property
    def contract(self) -> bytes:
        """The signed contract that the run was made under."""
        return self._read(CONTRACT)

    def _read(self, name: str) -> bytes:
        return read_result(self.folder, name, self.manifest.get(DIGESTS) or {})


def finished_runs(*folders: Path) -> tuple[FinishedRun, ...]:
    """All finished runs in these folders, the latest first."""
    found = map(read_finished_run, finished_run_folders(*folders))
    return tuple(sorted(found, key=lambda run: str(run.manifest.get("finished")), reverse=True))


def finished_run_folders(*folders: Path) -> tuple[Path, ...]:
    """The folders of finished runs, sorted by name."""
    found = (path.parent for runs in folders for path in runs.glob(f"*/{MANIFEST}"))
    return tuple(sorted(found, key=lambda path: path.name))


def unfinished_run_folders(*folders: Path) -> tuple[Path, ...]:
    """The folders of unfinished runs, sorted by name."""
    found = (path for runs in folders for path in runs.glob("*") if path.is_dir() and not (path / MANIFEST).exists())
    return tuple(sorted(found, key=lambda path: path.name))


def unresumable_run_warnings(runs: Path, contract: str) -> list[str]:
    """A warning for each run under a contract that a former version began and this version cannot resume."""
    found = ((path, read_run_metadata(path)) for path in unfinished_run_folders(runs))
    return [
        f"Run {path.name} was interrupted under a former version and cannot be resumed: its charges remain, and its "
        f"job stays open at the bureau. `lab bank tidy` removes it when its retention is over."
        for path, metadata in found
        if metadata is not None and metadata.contract == contract and not metadata.can_resume
    ]


def find_finished_run(runs: Path, name: str | None) -> FinishedRun:
    """The finished run ``name``, or the latest; raises ``NotFound``."""
    if name is None:
        latest = finished_runs(runs)
        if latest:
            return latest[0]
    elif (runs / Path(name).name / MANIFEST).is_file():
        return read_finished_run(runs / Path(name).name)
    elif (runs / Path(name).name).is_dir():
        raise NotFound(f"Run {Path(name).name} is not finished.", next_step="run the command that began it again")
    raise NotFound("Expected a finished run of this name; there is none.", next_step="see `lab bank runs`")


def read_finished_run(folder: Path) -> FinishedRun:
    """Read a run's manifest; raises ``DamagedFile`` if it is damaged."""
    return FinishedRun(folder, read_run_facts(folder, MANIFEST))
