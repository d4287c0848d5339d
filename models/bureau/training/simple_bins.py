"""Bins of one feature without a solver: cut points that raise the likelihood by more than they cost.

A constraint solver merges bins in which every enterprise, or none, defaulted, and asks for bins of at least a twentieth
of the rows. A flag that 3 % of the rows have, or one that only defaulters have, then gets no bins, although it tells
more than the rest. Here a decision tree proposes cut points, and one that does not pay for itself by the Bayesian
information criterion (Schwarz, Annals of Statistics 6, 1978) is taken out again. Values are ordered ranks: categories
in order of their smoothed share of defaults.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.tree import DecisionTreeClassifier

SMOOTHING_ROWS = 10.0
"""Rows at the mean share of defaults that are added to each category before the categories are put in order."""
CHANCE = 1e-3
"""Probability that the order of categories without signal passes for signal."""
LEAST_ROWS, LEAST_SHARE = 5, 1e-3


def find_rank_cuts(ranks: NDArray[np.int64], label: NDArray[np.int64], most_bins: int) -> list[int]:
    """Cut points c: a rank below c is on one side, the others on the other. Empty if no cut pays.

    ``ranks``: int64 [rows], from 0; ``label``: int64 [rows] of 0 and 1.
    """
    tree = DecisionTreeClassifier(
        criterion="log_loss",
        max_leaf_nodes=most_bins,
        min_samples_leaf=max(LEAST_ROWS, round(LEAST_SHARE * len(ranks))),
        random_state=0,
    ).fit(ranks[:, None].astype(np.float64), label)
    inner = tree.tree_.children_left >= 0
    cuts = sorted({math.ceil(threshold) for threshold in tree.tree_.threshold[inner].tolist()})
    price = math.log(max(len(ranks), 2))
    while cuts:
        gain = deviance_gain(np.searchsorted(cuts, ranks, side="right"), label)
        losses = [
            gain - deviance_gain(np.searchsorted(cuts[:at] + cuts[at + 1 :], ranks, side="right"), label)
            for at in range(len(cuts))
        ]
        weakest = int(np.argmin(losses))
        if losses[weakest] >= price:
            return cuts
        del cuts[weakest]
    return []


def order_categories(codes: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct ``codes``, int64 [rows], in order of their smoothed share of defaults (ties by code)."""
    distinct, places = np.unique(codes, return_inverse=True)
    rows = np.bincount(places)
    defaults = np.bincount(places, weights=label)
    share = (defaults + SMOOTHING_ROWS * label.mean()) / (rows + SMOOTHING_ROWS)
    return distinct[np.argsort(share, kind="stable")]


def deviance_gain(bins: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """Twice the log-likelihood that bins, int64 [rows], add to the mean share of defaults (the G statistic)."""
    rows = np.bincount(bins).astype(np.float64)
    defaults = np.bincount(bins, weights=label).astype(np.float64)
    total = np.asarray([rows.sum()]), np.asarray([defaults.sum()])
    return 2.0 * (_log_likelihood(rows, defaults) - _log_likelihood(*total))


def chance_gain(categories: int) -> float:
    """The gain that ``categories`` without signal, put in order by the label itself, exceed with ``CHANCE``."""
    return float(chi2.isf(CHANCE, max(categories - 1, 1)))


def _log_likelihood(rows: NDArray[np.float64], defaults: NDArray[np.float64]) -> float:
    parts = 0.0
    for count in (defaults, rows - defaults):
        some = count > 0
        parts += float(np.sum(count[some] * np.log(count[some] / rows[some])))
    return parts
