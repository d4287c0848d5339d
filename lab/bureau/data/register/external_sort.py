"""Sorting more rows than memory holds: sorted runs on disk, read back together in stretches (external merge sort).

Rows are added as they come. Beyond ``RUN_BYTES`` bytes they are sorted and written as a run of their own, with the key
of every ``BLOCK_ROWS``-th row kept; those keys say which blocks of which runs a stretch of the whole needs. Few rows
never touch the disk. (Knuth, The Art of Computer Programming, volume 3, section 5.4; the sorting itself is polars'.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

RUN_BYTES = 64 << 20
"""Bytes of rows in memory that are sorted at once."""
BLOCK_ROWS = 4_096
"""Rows that are read from a run together: one Parquet row group."""


@dataclass(frozen=True, slots=True)
class _SortedRun:
    """A run on disk, and the key of the first row of each block."""

    path: Path
    keys: list[Any]


class ExternalSort:
    """Rows that all have the same columns, to be read back in the order of ``key`` (its columns, the most selective
    first). Files are made in ``folder``, under ``name``; whoever owns the folder removes them."""

    def __init__(self, folder: Path, name: str, *key: str) -> None:
        self._folder, self._name, self._key = folder, name, key
        self._runs: list[_SortedRun] = []
        self._waiting: list[pl.DataFrame] = []
        self._bytes = self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows, in any order."""
        if frame.height:
            self._waiting.append(frame)
            self._bytes += int(frame.estimated_size())
            self.rows += frame.height
        if self._bytes >= RUN_BYTES:
            self._write()

    def read_in_order(self) -> Iterator[pl.DataFrame]:
        """All rows in order, a stretch of about ``RUN_BYTES`` bytes at a time. Rows that agree in the first column of
        the key come in one stretch, however many they are."""
        if not self._runs:
            if self._waiting:
                yield self._sorted()
            return
        self._write()
        bounds = [None, *self._bounds(), None]
        for low, high in pairwise(bounds):
            parts = [part for run in self._runs if (part := self._between(run, low, high)).height]
            if parts:
                yield pl.concat(parts).sort(self._key)

    def _sorted(self) -> pl.DataFrame:
        frame = pl.concat(self._waiting).sort(self._key)
        self._waiting, self._bytes = [], 0
        return frame

    def _write(self) -> None:
        if not self._waiting:
            return
        frame = self._sorted()
        path = self._folder / f"{self._name}.{len(self._runs)}"
        frame.write_parquet(path, compression="lz4", statistics=False, row_group_size=BLOCK_ROWS)
        self._runs.append(_SortedRun(path, frame[self._key[0]].gather_every(BLOCK_ROWS).to_list()))

    def _bounds(self) -> list[Any]:
        """Keys that cut the whole into as many stretches as there are runs."""
        keys = sorted(key for run in self._runs for key in run.keys)
        step = -(-len(keys) // len(self._runs))
        return sorted(set(keys[step::step]))

    def _between(self, run: _SortedRun, low: Any, high: Any) -> pl.DataFrame:
        """A run's rows with low <= key < high; ``None`` for no bound."""
        # Keys repeat: rows equal to ``low`` may begin in the block before the first that starts with it.
        first = 0 if low is None else max(0, bisect_left(run.keys, low) - 1)
        last = len(run.keys) if high is None else bisect_left(run.keys, high)
        rows = pl.scan_parquet(run.path).slice(first * BLOCK_ROWS, (last - first) * BLOCK_ROWS)
        key = pl.col(self._key[0])
        if low is not None:
            rows = rows.filter(key >= low)
        if high is not None:
            rows = rows.filter(key < high)
        return rows.collect()
