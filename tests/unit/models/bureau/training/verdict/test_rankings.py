"""Rankings: the AUC of scikit-learn, and a chance that is that of labels drawn by lot or more."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.bureau.training.verdict.rankings import Ranking, rank_rows


def ranking(scores: np.ndarray, label: np.ndarray) -> Ranking:
    return rank_rows(scores, label, 1 - label)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_the_auc_is_that_of_scikit_learn(digits: int) -> None:
    rng = np.random.default_rng(digits)
    label = (rng.random(200) < 0.2).astype(np.int64)
    scores = np.round(label + rng.normal(size=200), digits)
    assert ranking(scores, label).auc == pytest.approx(roc_auc_score(label, scores))
    assert ranking(scores, label).reversed.auc == pytest.approx(1 - roc_auc_score(label, scores))


@pytest.mark.parametrize("scores", [np.arange(12.0), np.arange(12) // 4, np.arange(12) > 8, np.arange(12) > 1])
@pytest.mark.parametrize("bads", [3, 8])
def test_chance_is_at_least_half_that_of_all_labellings(scores: np.ndarray, bads: int) -> None:
    """All ways to choose the defaults, where few of them rank as well (a twentieth and below)."""
    values = scores.astype(np.float64)
    found = []
    for rows in combinations(range(12), bads):
        label = np.zeros(12, dtype=np.int64)
        label[list(rows)] = 1
        found.append(ranking(values, label))
    aucs = np.asarray([one.auc for one in found])
    for one in found:
        exact = float(np.mean(aucs >= one.auc - 1e-12))
        assert exact > 0.05 or one.chance() >= exact / 2


def test_chance_of_perfect_ranks_is_one_labelling_of_all() -> None:
    label = np.asarray([0] * 9 + [1] * 3)
    assert ranking(label.astype(np.float64), label).chance() == pytest.approx(1 / 220)
    assert ranking(-label.astype(np.float64), label).chance() == 1.0
    assert ranking(np.zeros(12), label).chance() == ranking(np.zeros(12), 0 * label).chance() == 1.0


def test_few_defaults_that_all_have_a_rare_value_are_hardly_chance() -> None:
    """Five of five among a twentieth of the rows: 3e-7 by lot; the normal tail alone says 1e-4."""
    label = (np.arange(1000) < 5).astype(np.int64)
    assert 2e-7 < ranking((np.arange(1000) < 50).astype(np.float64), label).chance() < 1e-6
