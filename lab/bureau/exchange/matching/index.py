"""A contract's index of an evaluated register: the set-up that a bank fetches, and a table from tags to rows.

It is made in one pass over the register and read from files, of which only what is asked for is read and checked: the
manifest has the hash of each bucket, and the tags have a digest for each block. An index that turns out to be damaged
is removed and made again (``index_store``). Where consent is
required it is made of the consenting rows only, so that an enterprise that did not agree looks like one that is not in
the register. An index for counting has no tags: nothing is looked up by them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lab.bureau.exchange.matching.row_selection import MatchingKeyScope
from lab.disk.checked_blocks import BLOCK_BYTES, REBUILD_HINT, BlockWriter, CheckedBlocks, write_table
from lab.disk.checked_files import DamagedFile, file_identity, read_checked, write_checked
from lab.disk.private_files import private_opener, sync_folder
from lab.terms.progress import Progress
from protocols.matching.bureau import (
    BUCKET_ENTRIES,
    TAG_BYTES,
    BucketGeometry,
    SetupContents,
    SetupManifest,
    SignedMatchingKey,
    encode_bucket,
    locate_marks,
    pack_setup,
    read_setup,
)

MANIFEST_FILE, BUCKETS_FILE, TAGS_FILE = "manifest", "buckets", "tags"
CHUNK_ROWS = 65_536
"""Rows of the register hashed between two steps of progress."""
_GROUP = 32 * BUCKET_ENTRIES  # entries sorted in memory at once: about 100 MB
_MARK = np.dtype([("bucket", "<u4"), ("place", "<u8")])
_ENTRY = np.dtype([("high", "<u8"), ("low", "<u8"), ("row", "<i8")])
_WORDS = np.dtype([("high", "<u8"), ("low", "<u8")])
_TAGS_IN_BLOCK = 340
"""Entries that are read and checked together: 8,160 bytes. A batch of 4,096 rows then reads at most 32 MiB, whatever
the register's size; smaller blocks cost more calls, larger ones more hashing."""
_IDENTITY_COMPONENTS = 9
"""Epoch, engine, contract, operation, register version, rows, ``sets``, ``match`` or the counting job, the file."""

IdentifierHash = Callable[[Sequence[str], NDArray[np.uint8]], NDArray[np.uint8]]
"""A function from identifiers and evaluations to digests: tag and mark, or for counting only the mark."""


@dataclass(frozen=True, slots=True)
class IndexSource:
    """The rows that an index is made of, in parts (row numbers, identifiers, evaluations), and their number."""

    rows: int
    parts: Callable[[], Iterator[tuple[NDArray[np.int64], list[str], NDArray[np.uint8]]]]


@dataclass(frozen=True, slots=True)
class ContractIndex:
    """An index on disk."""

    folder: Path
    setup: SetupManifest
    manifest: bytes
    _starts: NDArray[np.int64]
    _coded: NDArray[np.uint8]
    _tags: CheckedBlocks
    _firsts: NDArray[np.void]
    """The tag that each block of tags begins with."""

    def buckets(self, first: int, count: int) -> list[bytes]:
        """``count`` coded buckets from ``first`` on, fewer at the end; raises ``DamagedFile``."""
        last = min(first + count, self.setup.geometry.buckets)
        bounds = pairwise(self._starts[first : last + 1].tolist())
        found = [self._coded[start:end].tobytes() for start, end in bounds]
        hashes = [hashlib.sha256(coded).digest() for coded in found]
        if hashes != list(self.setup.bucket_hashes[first:last]):
            raise DamagedFile(self.folder / BUCKETS_FILE, next_step=REBUILD_HINT)
        return found

    def find(self, tags: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The register row of each tag, uint8 [m, 16] to int64 [m]; -1 for an unknown tag. Raises ``DamagedFile``."""
        rows = np.full(len(tags), -1, dtype=np.int64)
        if not len(self._firsts) or not len(tags):
            return rows
        high, low = _words(tags)
        blocks = np.unique(self._find_blocks(high, low)).tolist()
        entries = np.frombuffer(self._tags.read_blocks(blocks), dtype=_ENTRY)
        highs = np.ascontiguousarray(entries["high"])
        places = np.searchsorted(highs, high)
        while True:  # once, unless two tags of the register begin with the same 64 bits
            inside = np.minimum(places, len(entries) - 1)
            same = (places < len(entries)) & (highs[inside] == high)
            right = same & (entries["low"][inside] == low)
            rows[right] = entries["row"][inside[right]]
            places = np.where(same & ~right, places + 1, len(entries))
            if not (same & ~right).any():
                return rows

    def _find_blocks(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The block in which each tag is, if it is anywhere: the last that begins with no greater tag."""
        firsts = self._firsts
        places = np.searchsorted(firsts["high"], high, side="right").astype(np.int64) - 1
        while True:  # once, unless two tags of the register begin with the same 64 bits
            inside = np.maximum(places, 0)
            beyond = (places > 0) & (firsts["high"][inside] == high) & (firsts["low"][inside] > low)
            if not beyond.any():
                return inside
            places = places - beyond


def open_index(folder: Path) -> ContractIndex | None:
    """The index in ``folder``, or None if it does not exist or is damaged."""
    try:
        manifest = read_checked(folder / MANIFEST_FILE, identity=_identity(folder / MANIFEST_FILE))
        setup = read_setup(manifest)
        coded = _mapped(folder / BUCKETS_FILE, np.dtype(np.uint8))
        tags = CheckedBlocks(folder / TAGS_FILE, identity=_identity(folder / TAGS_FILE))
        firsts = np.frombuffer(tags.table.extra, dtype=_WORDS)
    except (OSError, ValueError, DamagedFile):
        return None
    entries = 0 if setup.for_counting else setup.entries
    if len(coded) != setup.total_bytes or tags.table.size != entries * _ENTRY.itemsize:
        return None
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.array(setup.bucket_sizes, dtype=np.int64))])
    return ContractIndex(folder, setup, manifest, starts, coded, tags, firsts)


def make_index(
    folder: Path,
    source: IndexSource,
    hash_: IdentifierHash,
    geometry: BucketGeometry,
    progress: Progress,
    scope: MatchingKeyScope,
    statement: SignedMatchingKey,
) -> ContractIndex:
    """Make the index in ``folder``, which appears when it is complete. Memory use does not grow with the register."""
    counting = scope.operation == "count"
    scratch = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700, parents=True)
    groups = max(-(-source.rows // _GROUP), 1)
    with progress.stage("index", source.rows) as stage:
        for rows, identifiers, values in source.parts():
            digests = hash_(identifiers, values)
            marks = digests if counting else digests[:, TAG_BYTES:]
            buckets, places = locate_marks(geometry, marks)
            found = np.zeros(len(marks), dtype=_MARK)
            found["bucket"], found["place"] = buckets, places
            _scatter(scratch, "marks", found, buckets.astype(np.int64) * groups // geometry.buckets, groups)
            if not counting:
                entries = np.zeros(len(rows), dtype=_ENTRY)
                entries["high"], entries["low"] = _words(digests[:, :TAG_BYTES])
                entries["row"] = rows
                group = ((entries["high"] >> np.uint64(32)) * np.uint64(groups)) >> np.uint64(32)
                _scatter(scratch, "tags", entries, group.astype(np.int64), groups)
            stage.advance(len(rows))
    sizes, hashes = _write_buckets(scratch, geometry, groups, identity=_identity(folder / BUCKETS_FILE))
    _write_tags(scratch, groups, identity=_identity(folder / TAGS_FILE))
    contents = SetupContents(
        engine=scope.engine,
        epoch=scope.epoch,
        for_counting=counting,
        entries=source.rows,
        geometry=geometry,
        bucket_sizes=tuple(sizes),
        bucket_hashes=tuple(hashes),
        signed_key=statement,
    )
    write_checked(scratch / MANIFEST_FILE, pack_setup(contents), identity=_identity(folder / MANIFEST_FILE))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(scratch, folder)
    sync_folder(folder.parent)
    made = open_index(folder)
    if made is None:
        raise OSError("the index was removed as it was made")
    return made


def _scatter(folder: Path, name: str, records: NDArray[np.void], group: NDArray[np.int64], groups: int) -> None:
    """Append records to the file of their group; the order of groups is the final order."""
    for number in range(groups):
        chosen = records if groups == 1 else records[group == number]
        with open(folder / f"{name}.{number}", "ab", opener=private_opener) as file:
            file.write(chosen.tobytes())


def _write_buckets(
    folder: Path, geometry: BucketGeometry, groups: int, *, identity: str
) -> tuple[list[int], list[bytes]]:
    sizes, hashes = [], []
    with open(folder / BUCKETS_FILE, "wb", opener=private_opener) as file:
        blocks = BlockWriter(file, identity=identity, block_bytes=BLOCK_BYTES)
        for number in range(groups):
            marks = _gathered(folder, f"marks.{number}", _MARK)
            marks = marks[np.lexsort((marks["place"], marks["bucket"]))]
            # The buckets of this group: those b with b · groups // buckets = number.
            first, last = (-(-(number + n) * geometry.buckets // groups) for n in (0, 1))
            bounds = np.searchsorted(marks["bucket"], np.arange(first, last + 1))
            for start, end in pairwise(bounds.tolist()):
                coded = encode_bucket(np.ascontiguousarray(marks["place"][start:end]))
                blocks.write(coded)
                sizes.append(len(coded))
                hashes.append(hashlib.sha256(coded).digest())
        _sync(file)
    write_table(folder / BUCKETS_FILE, blocks.finish(), identity=identity)  # for who does not know the manifest
    return sizes, hashes


def _write_tags(folder: Path, groups: int, *, identity: str) -> None:
    """Write the tags in order, their digests, and the tag that each block begins with."""
    firsts, written = [np.zeros(0, dtype=_WORDS)], 0
    with open(folder / TAGS_FILE, "wb", opener=private_opener) as file:
        blocks = BlockWriter(file, identity=identity, block_bytes=_TAGS_IN_BLOCK * _ENTRY.itemsize)
        for number in range(groups):
            entries = _gathered(folder, f"tags.{number}", _ENTRY)
            entries = entries[np.lexsort((entries["low"], entries["high"]))]
            firsts.append(entries[["high", "low"]][-written % _TAGS_IN_BLOCK :: _TAGS_IN_BLOCK].astype(_WORDS))
            written += len(entries)
            blocks.write(entries.tobytes())
        _sync(file)
    write_table(folder / TAGS_FILE, blocks.finish(np.concatenate(firsts).tobytes()), identity=identity)


def _identity(file: Path) -> str:
    return file_identity(file, _IDENTITY_COMPONENTS)


def _gathered(folder: Path, name: str, kind: np.dtype[np.void]) -> NDArray[np.void]:
    path = folder / name
    if not path.exists():
        return np.zeros(0, dtype=kind)
    records = np.fromfile(path, dtype=kind)
    path.unlink()
    return records


def _mapped(path: Path, kind: np.dtype[Any]) -> NDArray[Any]:
    """A file as a memory-mapped array, which stays readable when the file is removed."""
    entries, rest = divmod(path.stat().st_size, kind.itemsize)
    if rest:
        raise ValueError("the file ends inside an entry")
    return np.memmap(path, dtype=kind, mode="r", shape=(entries,)) if entries else np.zeros(0, dtype=kind)


def _words(tags: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    words = np.ascontiguousarray(tags, dtype=np.uint8).view(">u8").reshape(-1, 2).astype(np.uint64)
    return words[:, 0], words[:, 1]


def _sync(file: BinaryIO) -> None:
    """Write to disk, before a manifest refers to it."""
    file.flush()
    os.fsync(file.fileno())
