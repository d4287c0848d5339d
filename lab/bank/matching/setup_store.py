"""Set-ups on disk: one file of coded buckets for each, and its manifest beside it.

The hashes of buckets alone decide which ones are stored, so after an interruption, a crash or a disk error only what
was lost is fetched again. All buckets are fetched, whatever the portfolio, because a choice would reveal something of
it. From an older set-up of the same contract and epoch only the changes are fetched; a bucket that does not come out
right is fetched in full. Every bucket is decoded when it arrives, before anything is sent, so that a bucket made to
fail fails for every bank alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.disk.locks import exclusive_lock
from lab.disk.private_files import check_private, ensure_private_file, read_private, replace_private
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.progress import SILENT, Progress, ProgressStage
from protocols.matching.bank import (
    SetupManifest,
    apply_delta,
    check_bucket,
    count_bucket,
    decode_bucket,
    read_delta,
    read_setup,
    read_shard,
)
from protocols.wire.frame import MalformedFrame

SHARD_BUCKETS = 16
"""Buckets in one request: about 5 MB, so that memory stays small and a broken connection costs little."""

_BUCKET_HEADER_BYTES = 16  # bytes at the start of a coded bucket that hold its number of entries
_MAX_RESTARTS = 3  # how often the register may change while a set-up is fetched


@dataclass(frozen=True)
class StoredSetup:
    """A set-up on disk: its manifest, the open file of its buckets and where each begins, and the manifest's size."""

    setup: SetupManifest
    descriptor: int
    offsets: tuple[int, ...]
    manifest_bytes: int

    def bucket(self, number: int) -> NDArray[np.uint64]:
        """The sorted marks of a bucket, uint64 [n], checked again; raises ``InvalidInput`` if the disk changed it."""
        coded = self._read(number)
        try:
            check_bucket(self.setup, number, coded)
            return decode_bucket(coded, self.setup.geometry)
        except MalformedFrame:
            raise InvalidInput(
                "A bucket of the set-up was changed on this disk.",
                next_step="run the command again; it fetches the bucket again",
            ) from None

    def has_bucket(self, number: int) -> bool:
        """Whether a bucket is stored."""
        try:
            check_bucket(self.setup, number, self._read(number))
        except MalformedFrame:
            return False
        return True

    def _read(self, number: int) -> bytes:
        return os.pread(self.descriptor, self.setup.bucket_sizes[number], self.offsets[number])

    def _write(self, number: int, coded: bytes) -> None:
        check_bucket(self.setup, number, coded)
        # Decode every bucket now: a failure in a single bucket would show the bureau which identifiers the bank has.
        decode_bucket(coded, self.setup.geometry)
        os.pwrite(self.descriptor, coded, self.offsets[number])

    def check_entry_count(self) -> None:
        """Raise ``MalformedFrame`` unless the buckets together have as many entries as the manifest says."""
        heads = (
            os.pread(self.descriptor, min(size, _BUCKET_HEADER_BYTES), at)
            for size, at in zip(self.setup.bucket_sizes, self.offsets, strict=True)
        )
        found = sum(map(count_bucket, heads))
        if found != self.setup.entries:
            raise MalformedFrame(f"the manifest says {self.setup.entries} entries; the buckets have {found}")

    def missing_buckets(self) -> list[int]:
        """The numbers of the buckets that are not stored."""
        return [number for number in range(self.setup.geometry.buckets) if not self.has_bucket(number)]

    def build_from_delta(self, older: StoredSetup, delta: bytes, missing: list[int], stage: ProgressStage) -> list[int]:
        """Build the ``missing`` buckets from an older set-up and a delta; returns those that did not come out right."""
        try:
            changes = read_delta(delta, older.setup, self.setup)
        except MalformedFrame:
            return missing
        left = []
        for number in missing:
            try:
                self._write(number, apply_delta(older._read(number), *changes[number], self.setup.geometry))
                stage.advance()
            except MalformedFrame:
                left.append(number)
        return left

    def fetch_buckets(self, client: MatchingJobClient, missing: list[int], stage: ProgressStage) -> None:
        """Fetch the ``missing`` buckets, neighbours in one request."""
        for first, count in _ranges(missing):
            frame = client.shard(self.setup.sha256, first, count)
            with translate_protocol_errors("set-up"):
                for number, coded in enumerate(read_shard(frame, self.setup, first, count), start=first):
                    self._write(number, coded)
            stage.advance(count)


@contextmanager
def open_current_setup(
    folder: Path,
    client: MatchingJobClient,
    pins: MatchingKeyPins,
    *,
    engine: str,
    epoch: int,
    counting: bool = False,
    progress: Progress = SILENT,
) -> Iterator[StoredSetup]:
    """The bureau's current set-up with all its buckets, in ``folder`` (one for each contract); older ones are removed.

    Raises ``InvalidInput`` for a manifest or bucket that does not fit, or a wrong number of entries, what
    ``MatchingKeyPins.verify_key`` raises, and what the routes raise; what was fetched by then is kept.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    for left in range(_MAX_RESTARTS, -1, -1):
        manifest = client.setup(counting=counting)
        with translate_protocol_errors("set-up"):
            setup = read_setup(manifest)
            if (setup.engine, setup.epoch, setup.for_counting) != (engine, epoch, counting):
                raise MalformedFrame("the set-up is of another engine, epoch or kind")
        pins.verify_key(setup)
        with exclusive_lock(folder / "lock"):  # no other process of this bank changes the folder
            try:
                stored = _download_setup(folder, setup, manifest, client, progress)
                break
            except NotFound:
                if not left:
                    raise  # otherwise the register has a newer version by now
    try:
        yield stored
    finally:
        os.close(stored.descriptor)


def _download_setup(
    folder: Path, setup: SetupManifest, manifest: bytes, client: MatchingJobClient, progress: Progress
) -> StoredSetup:
    replace_private(folder / f"{setup.sha256}.setup", manifest)
    stored = _open(folder, setup, len(manifest))
    try:
        _complete_buckets(folder, stored, client, progress)
        os.fsync(stored.descriptor)
        with translate_protocol_errors("set-up"):
            stored.check_entry_count()
    except BaseException:
        os.close(stored.descriptor)
        raise
    for path in folder.glob("*.setup"):
        if path.stem != setup.sha256:
            remove_setup(folder, path.stem)
    return stored


def remove_setup(folder: Path, sha256: str) -> None:
    """Remove a set-up; a process that has it open can still read it."""
    for suffix in ("setup", "buckets"):
        (folder / f"{sha256}.{suffix}").unlink(missing_ok=True)


def _complete_buckets(folder: Path, stored: StoredSetup, client: MatchingJobClient, progress: Progress) -> None:
    missing = stored.missing_buckets()
    if not missing:
        return
    with progress.stage("setup", len(missing)) as stage:
        for older in _usable_older_setups(folder, stored.setup):
            try:
                delta = client.delta(stored.setup.sha256, older.setup.sha256)
                missing = stored.build_from_delta(older, delta, missing, stage)
            except NotFound:
                pass  # the bureau has no delta from that one
            finally:
                os.close(older.descriptor)
            if not missing:
                return
        stored.fetch_buckets(client, missing, stage)


def _usable_older_setups(folder: Path, setup: SetupManifest) -> Iterator[StoredSetup]:
    """Complete set-ups of the same engine, epoch and geometry, from which a delta may start.

    None for counting: its marks are new in each job.
    """
    for path in folder.glob("*.setup"):
        try:
            found = read_setup(read_private(path))
        except (MalformedFrame, NotFound):
            continue
        alike = (found.engine, found.epoch, found.geometry) == (setup.engine, setup.epoch, setup.geometry)
        if found.sha256 == setup.sha256 or not alike or found.for_counting or setup.for_counting:
            continue
        older = _open(folder, found, 0)
        if older.missing_buckets():
            os.close(older.descriptor)
        else:
            yield older


def _open(folder: Path, setup: SetupManifest, overhead: int) -> StoredSetup:
    path = folder / f"{setup.sha256}.buckets"
    ensure_private_file(path)
    ends = np.cumsum(setup.bucket_sizes, dtype=np.int64).tolist()
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    os.truncate(descriptor, ends[-1])
    return StoredSetup(setup, descriptor, (0, *ends[:-1]), overhead)


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as ranges (first, count), none longer than ``SHARD_BUCKETS``."""
    start = 0
    for end in range(1, len(numbers) + 1):
        whole = end - start == SHARD_BUCKETS
        if whole or end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield numbers[start], end - start
            start = end
