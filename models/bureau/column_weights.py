"""A forest as columns: ``raw = intercept + base(public) + sum over columns of indicator(bank) * weight(public)``.

The equation is exact. Every leaf is reached under a condition on bank features and a condition on public features, so a
forest decomposes into such a sum (``decomposition``). Weights are a sparse matrix over distinct public conditions, each
of which is evaluated once for all rows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.bureau.forest import Split
from models.shared.columns import Binning, IndicatorColumn

if TYPE_CHECKING:
    import scipy.sparse as sp

CHUNK_ROWS = 512  # rows at a time: keeps the conditions of a chunk in the processor's cache


@dataclass(frozen=True)
class ColumnWeights:
    """The columns of a forest, and how their real-valued weights follow from public features.

    It holds for every enterprise; ``score_weights`` evaluates it for some and rounds. K is the number of public
    conditions.
    """

    binnings: tuple[Binning, ...]
    columns: tuple[IndicatorColumn, ...]
    column_features: tuple[int, ...]
    """For each column the index of its bank feature, -1 if it joins several."""
    column_dimensions: tuple[int, ...]
    """For each column the dimension of its (first) feature: its own dimension."""
    column_dimension_pairs: tuple[tuple[int, int], ...]
    """The (column, dimension) pairs other than a column's own dimension. With one bank feature a path, a pair of one
    column brings the same pair for all columns of its feature."""
    implied_columns: tuple[int, ...]
    """Columns that are not encrypted, one for each feature all of whose bins are columns: exactly one column of the
    feature is 1 for any record, so the others imply it."""
    public_splits: tuple[Split, ...]
    condition_chain: tuple[tuple[int, int, bool], ...]
    """Row k + 1 is condition k + 1: an earlier condition (0 is "always"), a public split, and whether it goes left."""
    column_matrix: sp.csr_matrix
    """[columns, K]"""
    dimension_matrix: sp.csr_matrix
    """[pairs, K]"""
    base_matrix: sp.csr_matrix
    """[1, K]"""
    base_dimension_matrix: sp.csr_matrix
    """[dimensions, K]"""
    base_dimension: int
    """The dimension that takes the rounding residue of the base."""
    score_bound: float
    """Bounds every sum of parts of a score: the sum over trees of the largest absolute path."""

    def split_outcomes(self, public: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The outcomes of all public splits, then their opposites: bool [2 * splits, rows].

        ``public``: encoded public features, float64 [rows, features].
        """
        outcomes = np.empty((2 * len(self.public_splits), len(public)), dtype=bool)
        for number, split in enumerate(self.public_splits):
            outcomes[number] = split.goes_left(public[:, split.feature])
        np.logical_not(outcomes[: len(self.public_splits)], out=outcomes[len(self.public_splits) :])
        return outcomes

    def evaluate_conditions(self, outcomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Which public conditions hold: float64 [K, rows] of 0 and 1, from ``split_outcomes`` of (some) rows."""
        holds = np.ones((len(self.condition_chain) + 1, outcomes.shape[1]), dtype=bool)
        for conditions, parents, literals in self._levels:
            holds[conditions] = holds[parents] & outcomes[literals]
        return holds.astype(np.float64)

    @cached_property
    def _levels(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """The chain by depth, so that all conditions of one length are made at once: (condition, parent, literal)."""
        depth = [0]
        levels: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for number, (parent, split, left) in enumerate(self.condition_chain, start=1):
            depth.append(depth[parent] + 1)
            levels[depth[number]].append((number, parent, split if left else split + len(self.public_splits)))
        return [tuple(np.asarray(rows, dtype=np.intp).T) for _, rows in sorted(levels.items())]
