"""Bins of single features: no feature that separates is lost, whatever its values, and every fallback says why."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from models.bureau.training import woe_binning
from models.bureau.training.scorecard import ScorecardLearner
from models.bureau.training.woe_binning import BinningOutcome, fit_woe_binning
from models.shared.features import encode_features, infer_features

ROWS = 2000


def outcome(column: pl.Series, label: NDArray[np.int64]) -> tuple[BinningOutcome, NDArray[np.float64]]:
    """The bins of one column, and the weight of evidence of each of its rows (zero without bins)."""
    (feature,) = infer_features(column.to_frame("a"), "bank")
    values = encode_features(column.to_frame("a"), (feature,))[:, 0]
    found = fit_woe_binning(feature, values, label)
    if found.bins is None:
        return found, np.zeros(len(values))
    return found, np.asarray(found.bins.woe)[found.bins.assign_bins(values)]


def risk(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=ROWS)
    return values, (values + rng.normal(size=ROWS) > 1.3).astype(np.int64)


def test_a_value_without_defaults_and_one_with_only_defaults() -> None:
    _, label = risk()
    rng = np.random.default_rng(1)
    clean = np.where(label == 0, rng.random(ROWS) < 0.5, False).astype(int)  # no default where it is 1
    ruined = np.where(label == 1, rng.random(ROWS) < 0.5, False).astype(int)  # only defaults where it is 1
    for flag in (clean, ruined, label):
        found, woe = outcome(pl.Series(flag), label)
        assert found.bins is not None and found.remark in ("solver_found_none", "solver_weaker")
        assert np.isfinite(found.bins.woe).all()
        assert roc_auc_score(label, woe) == pytest.approx(max(roc_auc_score(label, flag), roc_auc_score(label, -flag)))


@pytest.mark.parametrize("share", [0.005, 0.01, 0.03, 0.04])
def test_a_rare_flag_and_a_rare_category(share: float) -> None:
    _, label = risk(2)
    rng = np.random.default_rng(3)
    flag = rng.random(ROWS) < share
    label = np.where(flag, 1, label)
    rare = [f"rare {number}" for number in range(8)]
    for column in (
        pl.Series(flag.astype(int)),
        pl.Series(np.where(flag, "bad", rng.choice(["a", "b", *rare], ROWS, p=[0.4, 0.4, *[0.025] * 8]))),
        pl.Series(np.where(flag, rng.integers(1, 90, ROWS), 0)),  # days overdue
    ):
        found, woe = outcome(column, label)
        assert found.remark in ("solver_found_none", "solver_weaker")
        assert woe[flag].min() > 1.0 > woe[~flag].max()


@pytest.mark.parametrize("huge", [np.inf, -np.inf, 1e39, -1e39, 1e300, 1e308, 3.5e38])
@pytest.mark.parametrize("count", [1, 100])
def test_huge_values_lose_nothing(huge: float, count: int) -> None:
    values, label = risk()
    plain, clean = outcome(pl.Series(values), label)
    values[:count] = huge
    found, woe = outcome(pl.Series(values), label)
    assert plain.remark == "" and (found.remark == "" or count > 1)
    assert roc_auc_score(label[count:], woe[count:]) > roc_auc_score(label[count:], clean[count:]) - 0.01


def test_values_that_single_precision_cannot_tell_apart() -> None:
    values, label = risk()
    days = 20_200_000 + np.rint(values * 3)
    found, woe = outcome(pl.Series(days * 1000), label)
    assert found.bins is not None and roc_auc_score(label, woe) > 0.75


def test_a_category_that_is_given_or_missing() -> None:
    _, label = risk()
    column = pl.Series([None if one else "Y" for one in label == 1])
    found, woe = outcome(column, label)
    assert found.bins is not None and roc_auc_score(label, woe) == 1.0


def test_a_category_that_training_never_saw_does_not_count_as_missing() -> None:
    _, label = risk()
    rng = np.random.default_rng(5)
    text = np.where(label == 1, rng.choice(["a", "b"], ROWS, p=[0.7, 0.3]), rng.choice(["a", "b"], ROWS))
    column = pl.Series([None if one else str(word) for one, word in zip(rng.random(ROWS) < 0.1, text, strict=True)])
    found, _ = outcome(column, label)
    assert found.bins is not None
    other = found.bins.assign_bins(np.asarray([2.0]))[0]
    assert other != found.bins.missing_bin


def test_noise_gets_no_simple_bins() -> None:
    rng = np.random.default_rng(6)
    label = (rng.random(ROWS) < 0.2).astype(np.int64)
    simple = 0
    for _ in range(20):
        flag = (rng.random(ROWS) < 0.03).astype(int)
        codes = pl.Series([f"c{code}" for code in rng.integers(0, 60, ROWS)])
        for column in (pl.Series(flag), codes):
            found, _ = outcome(column, label)
            simple += found.remark != "" and found.bins is not None
    assert simple <= 1


def test_constant_and_empty_columns_say_so() -> None:
    _, label = risk()
    assert outcome(pl.Series([1.0] * ROWS), label)[0] == BinningOutcome(None, "constant")
    assert outcome(pl.Series(["x"] * ROWS), label)[0] == BinningOutcome(None, "constant")
    assert outcome(pl.Series([None] * ROWS, dtype=pl.String), label)[0] == BinningOutcome(None, "empty")
    flat = pl.Series(np.arange(ROWS) % 2)
    assert outcome(flat, (np.arange(ROWS) // 2) % 2)[0] == BinningOutcome(None, "no_difference")


@pytest.mark.parametrize("fault", ["raises", "INFEASIBLE", "UNKNOWN", "FEASIBLE"])
def test_a_solver_that_fails_is_replaced_and_named(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """One that ran out of time, too: what it has found by then depends on how busy the machine is."""

    class BrokenSolver:
        status, splits = fault, [0.5]

        def __init__(self, **settings: object) -> None:
            pass

        def fit(self, values: object, label: object) -> None:
            if fault == "raises":
                raise ValueError

    monkeypatch.setattr("optbinning.OptimalBinning", BrokenSolver)
    values, label = risk()
    for column in (pl.Series(values), pl.Series([f"level {one}" for one in np.digitize(values, [-1, 0, 1])])):
        found, woe = outcome(column, label)
        assert found.remark == "solver_failed" and roc_auc_score(label, woe) > 0.8
    # Nor is its failure read as "tells nothing" where simple bins find nothing either.
    noise = pl.Series(np.arange(ROWS) % 2)
    assert outcome(noise, (np.arange(ROWS) // 2) % 2)[0] == BinningOutcome(None, "solver_failed")


@pytest.mark.parametrize("seed", range(12))
def test_property_a_scorecard_ranks_as_well_as_the_best_stump(seed: int) -> None:
    """Monotone risk, flags of 1 to 10 % of the rows that all, no or many defaulters have, and one wild value."""
    rng = np.random.default_rng([seed, 7])
    rows = int(rng.integers(400, 1500))
    base = rng.normal(size=rows)
    flag = rng.random(rows) < rng.uniform(0.01, 0.1)
    chance = np.where(flag, rng.choice([0.0, 0.6, 1.0]), 1 / (1 + np.exp(2.0 - rng.uniform(0, 2) * base)))
    label = (rng.random(rows) < chance).astype(np.int64)
    base[int(rng.integers(rows))] = rng.choice([np.inf, 1e39, -1e39, 7.0])
    frame = pl.DataFrame({"base": base, "flag": flag.astype(int), "text": np.where(flag, "x", "y")})
    features = infer_features(frame, "bank")
    values = encode_features(frame, features)
    card = roc_auc_score(label, ScorecardLearner().fit(values, label, features).raw_scores(values))
    ranks = np.column_stack([np.unique(values[:, number], return_inverse=True)[1] for number in range(3)])
    stump = DecisionTreeClassifier(max_depth=1, random_state=0).fit(ranks, label).predict_proba(ranks)[:, 1]
    assert card >= roc_auc_score(label, stump) - 0.02


def test_simple_bins_are_what_saves_the_rare_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the flag is lost, as the solver alone loses it."""
    _, label = risk(2)
    flag = np.random.default_rng(3).random(ROWS) < 0.03
    label = np.where(flag, 1, label)
    monkeypatch.setattr(woe_binning, "find_rank_cuts", lambda ranks, label, most: [])
    assert outcome(pl.Series(flag.astype(int)), label)[0].bins is None
