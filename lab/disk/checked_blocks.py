"""Large files whose blocks are checked as they are read, so that a reading pays for what it reads and no more.

Beside the file ``NAME`` is ``NAME.digests``, a checked file (``lab.disk.checked_files``) with the file's size, the size
of its blocks and the SHA-256 of each block. A block's digest covers the file's identity and the block's number as well.
A block is read, compared and handed out in one step: what is used is what was checked, whatever the disk does later.
"""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lab.disk.checked_files import DamagedFile, read_checked, write_checked

DIGEST_BYTES = 32
TABLE_SUFFIX = ".digests"
BLOCK_BYTES = 1 << 20
"""Bytes of a block, unless a reader wants less at a time."""
_READ_BYTES = 1 << 20
"""Bytes of neighbouring blocks that are read in one call."""
REBUILD_HINT = "run the command again: the file is made again"


@dataclass(frozen=True, slots=True)
class BlockTable:
    """The digests of a file's blocks: its size and that of a block in bytes, a digest of ``DIGEST_BYTES`` for each
    block, and what its owner stores with them (``extra``)."""

    size: int
    block_bytes: int
    digests: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        if len(self.digests) != DIGEST_BYTES * -(-self.size // self.block_bytes):
            raise ValueError("a table needs one digest for each block")

    @property
    def blocks(self) -> int:
        """How many blocks the file has."""
        return len(self.digests) // DIGEST_BYTES

    def has_block(self, identity: str, number: int, data: bytes | memoryview) -> bool:
        """Whether ``data`` is the block ``number``."""
        expected = self.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
        return digest_block(identity, number, data) == expected


def digest_block(identity: str, number: int, data: bytes | memoryview) -> bytes:
    """SHA-256 of a block, its number and its file's identity, ``DIGEST_BYTES`` long."""
    state = hashlib.sha256(b"shulab-block/1\0%b\0%b" % (identity.encode(), number.to_bytes(8, "big")))
    state.update(data)
    return state.digest()


def table_path(path: Path) -> Path:
    """Where the digests of a file are."""
    return path.with_name(path.name + TABLE_SUFFIX)


def write_table(path: Path, table: BlockTable, *, identity: str) -> None:
    """Write the digests of the file ``path``, which has this identity."""
    head = json.dumps({"size": table.size, "block_bytes": table.block_bytes, "extra": len(table.extra)}).encode()
    write_checked(
        table_path(path), b"".join((head, b"\n", table.extra, table.digests)), identity=identity + TABLE_SUFFIX
    )


def write_digests(path: Path, *, identity: str, block_bytes: int = BLOCK_BYTES) -> None:
    """Digest a file that is written already, and write its digests beside it."""
    digests: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while data := file.read(block_bytes):
            digests.append(digest_block(identity, len(digests), data))
            size += len(data)
    write_table(path, BlockTable(size, block_bytes, b"".join(digests)), identity=identity)


def read_table(path: Path, *, identity: str) -> BlockTable:
    """The digests of the file ``path``; raises ``DamagedFile``, ``FileNotFoundError``."""
    content = read_checked(table_path(path), identity=identity + TABLE_SUFFIX, next_step=REBUILD_HINT)
    try:
        return parse_table(content)
    except (ValueError, KeyError, TypeError):
        raise DamagedFile(table_path(path), next_step=REBUILD_HINT) from None


def parse_table(content: bytes) -> BlockTable:
    """The digests in the content of a table's file; raises ``ValueError``, ``KeyError``, ``TypeError``."""
    head, _, rest = content.partition(b"\n")
    facts = json.loads(head)
    extra = int(facts["extra"])
    return BlockTable(int(facts["size"]), int(facts["block_bytes"]), rest[extra:], rest[:extra])


class BlockWriter:
    """Writes a file from its front, and digests its blocks meanwhile."""

    def __init__(self, file: BinaryIO, *, identity: str, block_bytes: int) -> None:
        self._file, self._identity, self._block_bytes = file, identity, block_bytes
        self._rest = b""
        self._digests: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._file.write(data)
        self._size += len(data)
        self._rest += data
        whole = len(self._rest) // self._block_bytes * self._block_bytes
        for start in range(0, whole, self._block_bytes):
            self._digest(self._rest[start : start + self._block_bytes])
        self._rest = self._rest[whole:]

    def finish(self, extra: bytes = b"") -> BlockTable:
        """The digests of all that was written. Nothing may be written after it."""
        if self._rest:
            self._digest(self._rest)
        return BlockTable(self._size, self._block_bytes, b"".join(self._digests), extra)

    def _digest(self, block: bytes) -> None:
        self._digests.append(digest_block(self._identity, len(self._digests), block))


class CheckedBlocks:
    """An open file whose blocks are checked as they are read. Safe to use from several threads; what was opened stays
    readable when the file is removed or replaced."""

    def __init__(self, path: Path, *, identity: str, table: BlockTable | None = None) -> None:
        """``table``: the digests of a file that has none beside it yet. Raises ``DamagedFile`` for a file that does not
        fit its digests, ``FileNotFoundError`` without either."""
        self.path, self._identity = path, identity
        self.table = table or read_table(path, identity=identity)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        if os.fstat(self._descriptor).st_size != self.table.size:
            raise DamagedFile(path, next_step=REBUILD_HINT)

    def read_block(self, number: int) -> bytes:
        """A block, checked; raises ``DamagedFile``."""
        return self.read_blocks((number,))

    def read_blocks(self, numbers: Iterable[int]) -> bytes:
        """Some blocks, in ascending order, checked; raises ``DamagedFile``. Neighbours are read together."""
        size, found = self.table.block_bytes, []
        for first, last in _ranges(numbers, max(_READ_BYTES // size, 1)):
            data = memoryview(self._read(first, last - first + 1))
            for number in range(first, last + 1):
                block = data[(number - first) * size : (number - first + 1) * size]
                if not self.table.has_block(self._identity, number, block):
                    raise DamagedFile(self.path, next_step=REBUILD_HINT)
            found.append(data)
        return b"".join(found)

    def read(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, fewer at the end, from checked blocks; raises ``DamagedFile``."""
        end = min(start + length, self.table.size)
        if start >= end:
            return b""
        size = self.table.block_bytes
        first = start // size
        data = self.read_blocks(range(first, -(-end // size)))
        return data[start - first * size : end - first * size]

    def damaged_blocks(self) -> Iterator[int]:
        """The numbers of the blocks that are not as they were written."""
        for number in range(self.table.blocks):
            if not self.table.has_block(self._identity, number, self._read(number)):
                yield number

    def _read(self, number: int, count: int = 1) -> bytes:
        size = self.table.block_bytes
        try:
            return os.pread(self._descriptor, count * size, number * size)
        except OSError:  # the disk cannot read the block
            return b""


def _ranges(numbers: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Ascending numbers as ranges (first, last) of at most ``most``."""
    first = last = -1
    for number in numbers:
        if first >= 0 and number == last + 1 and number - first < most:
            last = number
            continue
        if first >= 0:
            yield first, last
        first = last = number
    if first >= 0:
        yield first, last
