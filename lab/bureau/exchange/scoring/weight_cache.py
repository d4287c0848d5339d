"""A model's weights for register rows, as integers: computed once for a register version, a model version and a step.

The order of enterprises differs from batch to batch, so that an encoded plaintext is used once; the integer weights of
a row serve every batch with that row, of any bank. Rows are computed on demand. The cache is as secret as the model and
only in this process's memory. The register version used least recently is dropped first; one that exceeds the budget is
not cached.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.terms.contract.document import ResultDetail
from models.bureau.model import Model
from models.bureau.score_weights import ScoreWeights

MAX_CACHE_BYTES = 512 * 1024 * 1024
"""Bytes of all tables together; memory pages of rows that were never used cost nothing."""
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class WeightCacheKey:
    """Which weights: a register version (name, number, rows), a model (the SHA-256 of its file), a detail and a
    step."""

    register: str
    version: int
    rows: int
    model: str
    detail: ResultDetail
    step: int


class _WeightTable:
    """Weights of the rows of one register version; ``known`` marks the rows computed so far."""

    def __init__(self, rows: int, like: ScoreWeights) -> None:
        self._columns, self._outputs, self._weight_rows = like.columns, like.outputs, len(like.columns)
        self._numbers: NDArray[np.int32] = np.zeros((rows, self._weight_rows + len(like.base)), dtype=np.int32)
        self.known = np.zeros(rows, dtype=np.bool_)

    @property
    def size(self) -> int:
        return self._numbers.nbytes + self.known.nbytes

    def keep(self, rows: NDArray[np.int64], made: ScoreWeights) -> None:
        self._numbers[rows, : self._weight_rows] = made.weights.T
        self._numbers[rows, self._weight_rows :] = made.base.T
        self.known[rows] = True  # last: another thread may be reading

    def take(self, rows: NDArray[np.int64]) -> ScoreWeights:
        numbers = np.ascontiguousarray(self._numbers[rows].T, dtype=np.int64)
        return ScoreWeights(self._columns, self._outputs, numbers[: self._weight_rows], numbers[self._weight_rows :])


class WeightCache:
    """Weights on demand, cached within ``budget`` bytes. Safe to use from several threads."""

    def __init__(self, budget: int = MAX_CACHE_BYTES) -> None:
        self._budget, self._lock = budget, threading.Lock()
        self._tables: OrderedDict[WeightCacheKey, _WeightTable] = OrderedDict()

    def weights(
        self,
        key: WeightCacheKey,
        model: Model,
        rows: NDArray[np.int64],
        public: Callable[[NDArray[np.int64]], pl.DataFrame],
    ) -> ScoreWeights:
        """The weights of ``rows`` int64 [n], all different; ``public`` reads the register's columns of some rows."""
        table = self._find(key)
        missing = rows if table is None else rows[~table.known[rows]]
        if table is not None and not len(missing):
            return table.take(rows)
        made = model.score_weights(public(missing), key.detail, step=key.step)
        if table is None:
            table = self._make(key, model, made)
        if table is None:
            return made
        table.keep(missing, made)
        return table.take(rows)

    def _find(self, key: WeightCacheKey) -> _WeightTable | None:
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def _make(self, key: WeightCacheKey, model: Model, made: ScoreWeights) -> _WeightTable | None:
        """A table of the weights' shape, or the one that another thread has made; None if it may not be cached."""
        size = key.rows * (4 * (len(made.columns) + len(made.base)) + 1)
        if size > self._budget or 2 * model.value_bound(key.detail, step=key.step) > _LARGEST:
            return None
        with self._lock:
            if key not in self._tables:
                while size + sum(table.size for table in self._tables.values()) > self._budget:
                    self._tables.popitem(last=False)
                self._tables[key] = _WeightTable(key.rows, made)
            return self._tables[key]
