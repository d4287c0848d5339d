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
    ones = np.ones((len(label), 1), dtype=np.int64)
    observed = _weighted_aucs(scores[:, label == 0], scores[:, label == 1], ones[label == 0], ones[label == 1])[:, 0]
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
    classes = [scores[:, label == value] for value in (0, 1)]
    parts = []
    for begun in range(0, draws, step):
        count = min(step, draws - begun)
        weights = [_draw(rng, rows.shape[1], count) for rows in classes]
        parts.append(_weighted_aucs(classes[0], classes[1], weights[0], weights[1]))
    return np.concatenate(parts, axis=1)


def _draw(rng: np.random.Generator, rows: int, draws: int) -> NDArray[np.int64]:
    """How often each of ``rows`` rows is drawn, int64 [rows, draws], with replacement, ``rows`` in each draw."""
    chosen = rng.integers(0, rows, (draws, rows))
    places = chosen * draws + np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=rows * draws).reshape(rows, draws)


def _weighted_aucs(
    good: NDArray[np.float64], bad: NDArray[np.float64], good_weights: NDArray[np.int64], bad_weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """AUCs, float64 [models, draws], from the scores of rows without and with a default, float64 [models, rows] each,
    and how often each row counts in each draw, int64 [rows, draws] each.

    Draws are the last axis, so that rows are moved and added whole.
    """
    pairs = good_weights.sum(axis=0) * bad_weights.sum(axis=0).astype(np.float64)
    found = np.empty((len(good), good_weights.shape[1]))
    below = np.zeros((good.shape[1] + 1, good_weights.shape[1]), dtype=np.int64)
    for model, (good_raw, bad_raw) in enumerate(zip(good, bad, strict=True)):
        order = np.argsort(good_raw, kind="stable")
        np.cumsum(good_weights[order], axis=0, out=below[1:])
        first, last = (np.searchsorted(good_raw[order], bad_raw, side=side) for side in ("left", "right"))
        doubled = below[first]
        doubled += below[last]  # twice the rows below: those of an equal score count half
        doubled *= bad_weights
        found[model] = 0.5 * doubled.sum(axis=0) / pairs
    return found
