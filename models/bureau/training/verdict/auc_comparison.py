"""Whether one model ranks better than another by more than chance: a paired, stratified bootstrap of the tested rows.

Each draw takes as many defaults and as many others as there are, with replacement, and measures every model on the same
rows (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 16.4). The area under the curve is computed
from ranks, ties counting half (Mann and Whitney, 1947), for many draws at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.bureau.training_verdict import AucDifference, ComparedModel

DRAWS = 1000
INTERVAL = (2.5, 97.5)  # per cent
_MAX_WORK = 200_000_000  # rows times draws; beyond it there are fewer draws, at least 200
_CELLS_AT_ONCE = 4_000_000


def compare_models(
    label: NDArray[np.int64],
    joint: NDArray[np.float64],
    others: Mapping[ComparedModel, NDArray[np.float64]],
    *,
    seed: int,
    draws: int = DRAWS,
) -> tuple[AucDifference, ...]:
    """The AUC of ``joint`` less that of each of ``others``, with 95 % intervals; empty if the label has one class.

    ``label``: [rows] of 0 and 1; ``joint`` and ``others``: raw scores, float64 [rows] (higher is riskier). The same
    input and seed give the same figures.
    """
    if len(np.unique(label)) < 2:
        return ()
    scores = np.stack([joint, *others.values()])
    observed = _weighted_aucs(scores, label, np.ones((1, len(label)), dtype=np.int64))[:, 0]
    drawn = bootstrap_aucs(scores, label, seed=seed, draws=draws)
    found = []
    for place, name in enumerate(others, start=1):
        low, high = np.percentile(drawn[0] - drawn[place], INTERVAL)
        found.append(
            AucDifference(
                name, round(float(observed[0] - observed[place]), 6), round(float(low), 6), round(float(high), 6)
            )
        )
    return tuple(found)


def bootstrap_aucs(
    scores: NDArray[np.float64], label: NDArray[np.int64], *, seed: int, draws: int
) -> NDArray[np.float64]:
    """The AUC of each model in each draw, float64 [models, draws], from ``scores`` float64 [models, rows]."""
    rng = np.random.default_rng([seed, 20])
    draws = min(draws, max(200, _MAX_WORK // len(label)))
    step = max(1, _CELLS_AT_ONCE // len(label))
    parts = []
    for begun in range(0, draws, step):
        count = min(step, draws - begun)
        weights = np.empty((count, len(label)), dtype=np.int64)
        for value in (0, 1):
            rows = np.flatnonzero(label == value)
            chosen = rng.integers(0, len(rows), (count, len(rows))) + len(rows) * np.arange(count)[:, None]
            weights[:, rows] = np.bincount(chosen.ravel(), minlength=count * len(rows)).reshape(count, -1)
        parts.append(_weighted_aucs(scores, label, weights))
    return np.concatenate(parts, axis=1)


def _weighted_aucs(
    scores: NDArray[np.float64], label: NDArray[np.int64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """AUCs, float64 [models, draws], with each row counted ``weights``, int64 [draws, rows], times."""
    pairs = (weights @ label) * (weights @ (1 - label)).astype(np.float64)
    found = np.empty((len(scores), len(weights)))
    for model, raw in enumerate(scores):
        order = np.argsort(raw, kind="stable")
        _, place, ties = np.unique(raw[order], return_inverse=True, return_counts=True)
        ends = np.cumsum(ties)
        below = np.zeros((len(weights), len(raw) + 1))
        np.cumsum(weights[:, order] * (1 - label[order]), axis=1, out=below[:, 1:])
        bad = np.flatnonzero(label[order])
        group = place[bad]
        halves = 0.5 * (below[:, ends[group] - ties[group]] + below[:, ends[group]])
        found[model] = np.einsum("dr,dr->d", weights[:, order[bad]], halves) / pairs
    return found
