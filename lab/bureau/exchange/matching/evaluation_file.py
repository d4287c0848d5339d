"""Evaluations on disk, in row order, checked as they are read: a finished file, or the shards of one in progress.

A block of the file is a shard of ``REGISTER_CHUNK_ROWS`` rows, so that a damaged block is one shard to compute again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.disk.checked_blocks import DIGEST_BYTES, BlockTable, CheckedBlocks
from lab.disk.checked_files import DamagedFile, file_identity
from protocols.matching.bureau import EVALUATION_BYTES

EVALUATIONS_FILE = "values"
_IDENTITY_COMPONENTS = 7
"""Epoch, engine, contract, operation, register version, rows, and the file itself."""
NOT_DONE = bytes(DIGEST_BYTES)
"""In place of the digest of a shard that is not evaluated."""


class Evaluations:
    """Evaluations of ``rows`` rows, uint8 [rows, 32], read from checked blocks. Safe to use from several threads."""

    def __init__(self, blocks: CheckedBlocks) -> None:
        self._blocks = blocks
        self.rows = blocks.table.size // EVALUATION_BYTES
        self._shard_rows = blocks.table.block_bytes // EVALUATION_BYTES

    def read(self, start: int, count: int) -> NDArray[np.uint8]:
        """The evaluations of ``count`` rows from ``start``, fewer at the end; raises ``DamagedFile``."""
        return _as_rows(self._blocks.read(start * EVALUATION_BYTES, count * EVALUATION_BYTES))

    def find(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Which of ``rows``, int64 [n], are evaluated and as they were written, bool [n], and the evaluations of those,
        uint8 [m, 32]."""
        known = np.zeros(len(rows), dtype=np.bool_)
        values = np.zeros((len(rows), EVALUATION_BYTES), dtype=np.uint8)
        shards = rows // self._shard_rows
        for shard in np.unique(shards).tolist():
            read = self._find_shard(shard)
            if read is not None:
                chosen = shards == shard
                known[chosen], values[chosen] = True, read[rows[chosen] - shard * self._shard_rows]
        return known, values[known]

    def _find_shard(self, shard: int) -> NDArray[np.uint8] | None:
        if self._blocks.table.digests[shard * DIGEST_BYTES : (shard + 1) * DIGEST_BYTES] == NOT_DONE:
            return None
        try:
            return _as_rows(self._blocks.read_block(shard))
        except DamagedFile:
            return None


def open_evaluations(folder: Path, rows: int) -> CheckedBlocks:
    """The finished evaluations of ``rows`` rows; raises ``DamagedFile``, ``FileNotFoundError``."""
    path = folder / EVALUATIONS_FILE
    blocks = CheckedBlocks(path, identity=evaluations_identity(folder))
    if blocks.table.size != rows * EVALUATION_BYTES:
        raise DamagedFile(path)
    return blocks


def open_partial_evaluations(path: Path, done: bytes, rows: int, shard_rows: int) -> CheckedBlocks:
    """Evaluations in progress in the file ``path``; ``done``: a digest or ``NOT_DONE`` for each shard, fewer at the
    end. Raises ``DamagedFile``, ``FileNotFoundError``."""
    shards = -(-rows // shard_rows)
    digests = done[: shards * DIGEST_BYTES].ljust(shards * DIGEST_BYTES, b"\0")
    table = BlockTable(rows * EVALUATION_BYTES, shard_rows * EVALUATION_BYTES, digests)
    return CheckedBlocks(path, identity=evaluations_identity(path.parent), table=table)


def find_done_shards(blocks: CheckedBlocks) -> frozenset[int]:
    """The shards that are evaluated and as they were written."""
    return frozenset(range(blocks.table.blocks)) - frozenset(blocks.damaged_blocks())


def evaluations_identity(folder: Path) -> str:
    """The identity of the evaluations in a folder: whose key, which register version, which rows."""
    return file_identity(folder / EVALUATIONS_FILE, _IDENTITY_COMPONENTS)


def _as_rows(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, EVALUATION_BYTES)
