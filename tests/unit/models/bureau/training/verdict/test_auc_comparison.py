"""The bootstrap: AUCs of draws against scikit-learn, and intervals that say what they should."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.bureau.training.verdict.auc_comparison import bootstrap_aucs, compare_models
from models.bureau.training_verdict import ComparedModel


def sample(rows: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < share).astype(np.int64)
    label[:2] = (0, 1)
    return label, label + rng.normal(size=rows)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_differences_are_those_of_scikit_learn_ties_included(digits: int) -> None:
    label, joint = sample(400, 0.2)
    joint = np.round(joint, digits)
    bank = np.round(joint + np.random.default_rng(1).normal(size=400), digits)
    (found,) = compare_models(label, joint, {"bank_only": bank}, seed=0)
    expected = roc_auc_score(label, joint) - roc_auc_score(label, bank)
    assert found.difference == pytest.approx(expected, abs=1e-6)
    assert found.low <= found.difference <= found.high


def test_draws_are_samples_of_the_auc() -> None:
    """The spread of the draws is that of Hanley and McNeil (Radiology 143, 1982) for one model."""
    label, joint = sample(1500, 0.2)
    drawn = bootstrap_aucs(joint[None, :], label, seed=3, draws=600)[0]
    auc, bad, good = roc_auc_score(label, joint), label.sum(), (1 - label).sum()
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = np.sqrt((auc * (1 - auc) + (bad - 1) * (one - auc**2) + (good - 1) * (two - auc**2)) / (bad * good))
    assert drawn.mean() == pytest.approx(auc, abs=0.004)
    assert drawn.std() == pytest.approx(error, rel=0.15)


def test_intervals_cover_a_difference_of_zero_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(60):
        label, _ = sample(300, 0.3, seed)
        noise = np.random.default_rng([seed, 1]).normal(size=(2, 300))
        (found,) = compare_models(label, label + noise[0], {"free": label + noise[1]}, seed=seed, draws=200)
        covered += found.low <= 0 <= found.high
    assert covered >= 51  # of 60; below that with probability 0.002


def test_the_same_seed_gives_the_same_figures() -> None:
    label, joint = sample(200, 0.2)
    others: dict[ComparedModel, np.ndarray] = {"bank_only": joint + 1.0, "bureau_only": -joint}
    found = compare_models(label, joint, others, seed=5)
    assert found == compare_models(label, joint, others, seed=5)
    assert (found[0].difference, found[0].low, found[0].high) == (0.0, 0.0, 0.0)
    assert found[1].low > 0


def test_one_class_or_no_rows_give_no_figures() -> None:
    for rows in (0, 5):
        nothing = np.zeros(rows)
        assert compare_models(nothing.astype(np.int64), nothing, {"free": nothing}, seed=0) == ()
