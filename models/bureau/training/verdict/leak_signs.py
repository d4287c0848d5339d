"""Columns that look as if they told the outcome instead of predicting it.

Nobody can prove a leak from the data; a person must ask when the column became known. So this only points. A column is
pointed at if it alone ranks as well as hardly any honest feature does, if its gaps do, or if it is nearly the whole
joint model and every other column tells much less. The measure does not trust a column's own order: it groups the
values and learns each group's share of defaults on one half of the rows for the other half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bureau.training_verdict import LeakKind, LeakSign
from models.shared.features import Feature

LEAK_AUC = 0.95
GAPS_AUC = 0.85
DOMINANT_AUC = 0.75
DOMINANT_SHARE = 0.95  # of the joint model's AUC above one half
OTHERS_SHARE = 0.5  # of the dominant column's AUC above one half, which no other column may exceed
MIN_STANDARD_ERRORS = 3.0
MAX_CELLS = 64
_PRIOR_ROWS = 2.0


def find_leak_signs(
    values: NDArray[np.float64], label: NDArray[np.int64], features: Sequence[Feature], joint_auc: float, *, seed: int
) -> list[LeakSign]:
    """Columns that look like leaks, the worst first. ``values``: float64 [rows, features], NaN for missing.

    ``joint_auc``: of the joint model on rows that it had not seen.
    """
    half = _halves(label, seed)
    alone = np.asarray([_auc_alone(values[:, n], label, half, f.kind != "categorical") for n, f in enumerate(features)])
    gaps = [_rank_auc(np.isnan(values[:, n]).astype(np.float64), label) for n in range(len(features))]
    classes = np.bincount(label, minlength=2)
    # The standard error of an AUC without signal (Mann and Whitney, 1947).
    chance = MIN_STANDARD_ERRORS * math.sqrt((len(label) + 1) / (12.0 * classes[0] * classes[1]))
    found = []
    for number, feature in enumerate(features):
        few = len(np.unique(values[:, number])) == 2  # NaN counts as one value
        kind = _leak_kind(float(alone[number]), gaps[number], few, _dominates(alone, number, joint_auc))
        figure = gaps[number] if kind == "missing" else float(alone[number])
        if kind is not None and figure - 0.5 > chance:
            found.append(LeakSign(feature.name[:200], feature.party, kind, round(figure, 4)))
    return sorted(found, key=lambda leak: -leak.auc)


def _leak_kind(alone: float, gaps: float, two_values: bool, dominates: bool) -> LeakKind | None:
    if gaps >= GAPS_AUC:
        return "missing"
    if two_values and alone >= 1.0 - 1e-9:
        return "equals_label"
    if alone >= LEAK_AUC:
        return "alone"
    return "dominates" if dominates else None


def _dominates(alone: NDArray[np.float64], number: int, joint_auc: float) -> bool:
    """Whether one column is nearly the whole model, and no other comes near it."""
    top = alone[number] - 0.5
    if alone[number] < DOMINANT_AUC or len(alone) < 3 or top < DOMINANT_SHARE * (joint_auc - 0.5):
        return False
    return bool(np.delete(alone, number).max() - 0.5 <= OTHERS_SHARE * top)


def _halves(label: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A half, 0 or 1, for each row, int64 [rows]; each class is divided evenly."""
    rng = np.random.default_rng([seed, 21])
    half = np.zeros(len(label), dtype=np.int64)
    for value in (0, 1):
        rows = rng.permutation(np.flatnonzero(label == value))
        half[rows[: len(rows) // 2]] = 1
    return half


def _auc_alone(values: NDArray[np.float64], label: NDArray[np.int64], half: NDArray[np.int64], ordered: bool) -> float:
    """How well one column ranks: by the shares of defaults of its groups, or for a number or a date by its own order."""
    found = _grouped_auc(_cells(values, ordered), label, half)
    if not ordered:
        return found
    orders = [np.where(np.isnan(values), end, values) for end in (-np.inf, np.inf)]
    return max(found, *(_rank_auc(order, label) for order in orders))


def _cells(values: NDArray[np.float64], ordered: bool) -> NDArray[np.int64]:
    """Groups of values, int64 [rows]: each value, or quantiles of many; missing ones are the last group."""
    present = ~np.isnan(values)
    distinct, places = np.unique(values[present], return_inverse=True)
    if ordered and len(distinct) > MAX_CELLS:
        rank_of = np.cumsum(np.bincount(places)) - 1
        places = rank_of[places] * MAX_CELLS // max(int(present.sum()), 1)
    cells = np.full(len(values), places.max(initial=-1) + 1, dtype=np.int64)
    cells[present] = places
    return cells


def _grouped_auc(cells: NDArray[np.int64], label: NDArray[np.int64], half: NDArray[np.int64]) -> float:
    """The AUC of the groups' shares of defaults, each learnt on the other half."""
    count = int(cells.max()) + 1
    bad, good = (
        np.stack([np.bincount(cells[(half == side) & (label == value)], minlength=count) for side in (0, 1)])
        for value in (1, 0)
    )
    other_bad, other_rows = bad[::-1], (bad + good)[::-1]
    mean = other_bad.sum(axis=1, keepdims=True) / other_rows.sum(axis=1, keepdims=True)
    share = (other_bad + _PRIOR_ROWS * mean) / (other_rows + _PRIOR_ROWS)
    return _auc_of_counts(share.ravel(), bad.ravel(), good.ravel())


def _rank_auc(values: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """The AUC of a column's own order, in the direction that ranks better."""
    distinct, places = np.unique(values, return_inverse=True)
    bad = np.bincount(places[label == 1], minlength=len(distinct))
    good = np.bincount(places[label == 0], minlength=len(distinct))
    found = _auc_of_counts(distinct, bad, good)
    return max(found, 1.0 - found)


def _auc_of_counts(scores: NDArray[np.float64], bad: NDArray[np.int64], good: NDArray[np.int64]) -> float:
    """The AUC of rows that come in groups of one score: ``bad`` and ``good`` count the rows of each group."""
    distinct, places = np.unique(scores, return_inverse=True)
    bads = np.bincount(places, weights=bad, minlength=len(distinct))
    goods = np.bincount(places, weights=good, minlength=len(distinct))
    below = np.cumsum(goods) - 0.5 * goods
    return float(bads @ below / (bads.sum() * goods.sum()))
