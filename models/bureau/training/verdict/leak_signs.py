"""Columns that look as if they told the outcome instead of predicting it.

Nobody can prove a leak from the data; a person must ask when the column became known. So this only points. A column is
pointed at if it alone ranks as well as hardly any honest feature does, if its gaps do, or if it is nearly the whole
joint model and every other column tells much less. The measure does not trust a column's own order: it groups the
values and learns each group's share of defaults on one half of the rows for the other half. With few defaults and many
columns some column ranks well by chance; what chance explains, given how many columns were looked at, is not pointed at
(Bonferroni's correction).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bureau.training.verdict.rankings import Ranking, rank_rows
from models.bureau.training_verdict import LeakKind, LeakSign
from models.shared.features import Feature

LEAK_AUC = 0.95
GAPS_AUC = 0.85
DOMINANT_AUC = 0.75
DOMINANT_SHARE = 0.95  # of the joint model's AUC above one half
OTHERS_SHARE = 0.5  # of the dominant column's AUC above one half, which no other column may exceed
CHANCE = 0.01  # that chance points at any column at all
LOOKS = 8  # at a column: its groups in either half; its order, up or down, with gaps at either end; its gaps
MAX_CELLS = 64
_PRIOR_ROWS = 2.0


@dataclass(frozen=True)
class _Looks:
    """``auc``: the best of one column. ``tested``: rankings of which chance alone is rarely so good."""

    auc: float
    tested: tuple[Ranking, ...]


def find_leak_signs(
    values: NDArray[np.float64], label: NDArray[np.int64], features: Sequence[Feature], joint_auc: float, *, seed: int
) -> list[LeakSign]:
    """Columns that look like leaks, the worst first. ``values``: float64 [rows, features], NaN for missing.

    ``joint_auc``: of the joint model on rows that it had not seen.
    """
    half = _halves(label, seed)

    def look(number: int) -> _Looks:
        return _look_alone(values[:, number], label, half, features[number].kind != "categorical")

    alone = np.asarray([look(number).auc for number in range(len(features))])
    gaps = [_rank_order(np.isnan(values[:, number]).astype(np.float64), label) for number in range(len(features))]
    allowed = CHANCE / (LOOKS * max(len(features), 1))
    found = []
    for number, feature in enumerate(features):
        few = len(np.unique(values[:, number])) == 2  # NaN counts as one value
        kind = _leak_kind(float(alone[number]), gaps[number].auc, few, _dominates(alone, number, joint_auc))
        if kind is None:
            continue
        looks = _Looks(gaps[number].auc, (gaps[number],)) if kind == "missing" else look(number)
        if min(ranking.chance() for ranking in looks.tested) <= allowed:
            found.append(LeakSign(feature.name[:200], feature.party, kind, round(looks.auc, 4)))
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


def _look_alone(
    values: NDArray[np.float64], label: NDArray[np.int64], half: NDArray[np.int64], ordered: bool
) -> _Looks:
    """How well one column ranks: by its groups' shares of defaults, or by its own order if it has one or two values."""
    whole, *halves = _rank_groups(_cells(values, ordered), label, half)
    orders = []
    if ordered or len(np.unique(values)) == 2:
        orders = [_rank_order(np.where(np.isnan(values), end, values), label) for end in (-np.inf, np.inf)]
    return _Looks(max(ranking.auc for ranking in (whole, *orders)), (*halves, *orders))


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


def _rank_groups(cells: NDArray[np.int64], label: NDArray[np.int64], half: NDArray[np.int64]) -> tuple[Ranking, ...]:
    """All rows by their groups' shares of defaults, each learnt on the other half; then each half alone.

    Only a half alone is a test: if the defaults of one half are in the other's groups, so are the other's in its own.
    """
    count = int(cells.max()) + 1
    bad, good = (
        np.stack([np.bincount(cells[(half == side) & (label == value)], minlength=count) for side in (0, 1)])
        for value in (1, 0)
    )
    other_bad, other_rows = bad[::-1], (bad + good)[::-1]
    mean = other_bad.sum(axis=1, keepdims=True) / other_rows.sum(axis=1, keepdims=True)
    share = (other_bad + _PRIOR_ROWS * mean) / (other_rows + _PRIOR_ROWS)
    halves = (rank_rows(share[side], bad[side], good[side]) for side in (0, 1))
    return rank_rows(share.ravel(), bad.ravel(), good.ravel()), *halves


def _rank_order(values: NDArray[np.float64], label: NDArray[np.int64]) -> Ranking:
    """By a column's own order, in the direction that ranks better."""
    found = rank_rows(values, label, 1 - label)
    return found if found.auc >= 0.5 else found.reversed
