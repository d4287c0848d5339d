"""Default follows latent risk, and the best AUC is the one that its chances have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab.simulation.city.enterprises import make_city
from lab.simulation.city.outcomes import best_auc, default_chances, draw_defaults, labelled_rows
from lab.simulation.city.settings import CitySettings
from lab.simulation.trial.score_metrics import measure_discrimination


def test_the_best_auc_is_what_the_chances_reach():
    city = make_city(CitySettings(200_000, 1, 8, Path("unused")))
    rows = labelled_rows(city)
    chances = default_chances(city, rows)
    drawn = draw_defaults(city, rows, chances).astype(np.int8)
    reached = measure_discrimination(drawn, {"chance": chances.astype(np.float64)}).auc["chance"]
    assert reached == pytest.approx(best_auc(chances), abs=0.005)
    assert 0.8 < best_auc(chances) < 0.9
    assert 0.05 < chances.mean() < 0.1


def test_the_best_auc_agrees_with_all_pairs():
    chances = np.random.default_rng(1).choice([0.02, 0.1, 0.1, 0.4, 0.7], 60)
    weights = chances[:, None] * (1 - chances[None, :])
    np.fill_diagonal(weights, 0.0)
    ordered = (chances[:, None] > chances[None, :]) + 0.5 * (chances[:, None] == chances[None, :])
    assert best_auc(chances) == pytest.approx((weights * ordered).sum() / weights.sum(), abs=1e-12)


def test_one_who_knows_nothing_has_a_half():
    assert best_auc(np.full(50, 0.1)) == pytest.approx(0.5)
