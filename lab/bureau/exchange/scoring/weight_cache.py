"""A model's terms for register rows, as integers: made once for a register version, a model version and a rounding.

Which enterprises stand in which slots differs from batch to batch, so an encoded plaintext is of use once; the integers
of a row are of use to every batch that it stands in, of whatever bank. Rows are made as they are asked for. What is
kept is as secret as the model, and in this process's memory alone; the register version least recently asked for goes
first, and one that is larger than the budget is not kept at all.
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
"""Bytes that all tables together may have; pages of rows that nobody asked for take none of them."""
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class WeightCacheKey:
    """What terms are of: a register version (its name and number) with so many rows, a model (the SHA-256 of its file),
    a detail and a step."""

    register: str
    version: int
    rows: int
    model: str
    detail: ResultDetail
    step: int


class _WeightTable:
    """Terms of the rows of one register version; ``known`` says of which."""

    def __init__(self, rows: int, like: ScoreWeights) -> None:
        self._columns, self._outputs, self._terms = like.columns, like.outputs, len(like.columns)
        self._numbers: NDArray[np.int32] = np.zeros((rows, self._terms + len(like.base)), dtype=np.int32)
        self.known = np.zeros(rows, dtype=np.bool_)

    @property
    def size(self) -> int:
        return self._numbers.nbytes + self.known.nbytes

    def keep(self, rows: NDArray[np.int64], made: ScoreWeights) -> None:
        self._numbers[rows, : self._terms] = made.weights.T
        self._numbers[rows, self._terms :] = made.base.T
        self.known[rows] = True  # last: another thread may be looking

    def take(self, rows: NDArray[np.int64]) -> ScoreWeights:
        numbers = np.ascontiguousarray(self._numbers[rows].T, dtype=np.int64)
        return ScoreWeights(self._columns, self._outputs, numbers[: self._terms], numbers[self._terms :])


class WeightCache:
    """Terms as asked for, kept within ``budget`` bytes. Safe to use from several threads."""

    def __init__(self, budget: int = MAX_CACHE_BYTES) -> None:
        self._budget, self._lock = budget, threading.Lock()
        self._tables: OrderedDict[WeightCacheKey, _WeightTable] = OrderedDict()

    def weights(
        self,
        about: WeightCacheKey,
        model: Model,
        rows: NDArray[np.int64],
        public: Callable[[NDArray[np.int64]], pl.DataFrame],
    ) -> ScoreWeights:
        """The terms of ``rows`` int64 [n], all different; ``public`` gives the register's columns of some rows."""
        table = self._find(about)
        missing = rows if table is None else rows[~table.known[rows]]
        if table is not None and not len(missing):
            return table.take(rows)
        made = model.score_weights(public(missing), about.detail, step=about.step)
        if table is None:
            table = self._make(about, model, made)
        if table is None:
            return made
        table.keep(missing, made)
        return table.take(rows)

    def _find(self, about: WeightCacheKey) -> _WeightTable | None:
        with self._lock:
            if about in self._tables:
                self._tables.move_to_end(about)
            return self._tables.get(about)

    def _make(self, about: WeightCacheKey, model: Model, made: ScoreWeights) -> _WeightTable | None:
        """A table of the terms' shape, or the one that another thread has made; None if it may not be kept."""
        size = about.rows * (4 * (len(made.columns) + len(made.base)) + 1)
        if size > self._budget or 2 * model.value_bound(about.detail, step=about.step) > _LARGEST:
            return None
        with self._lock:
            if about not in self._tables:
                while size + sum(table.size for table in self._tables.values()) > self._budget:
                    self._tables.popitem(last=False)
                self._tables[about] = _WeightTable(about.rows, made)
            return self._tables[about]
