"""The boosted family: LightGBM, with or without the limit to one bank feature a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.bureau.forest import Forest, read_lightgbm
from models.bureau.training.pilot_sample import varies
from models.bureau.training.settings import DEFAULT_TREE_COUNT
from models.shared.features import Feature
from models.shared.sheet import Interactions

LIGHTGBM_SETTINGS: dict[str, float] = {
    "num_leaves": 8,
    "max_bin": 32,
    "learning_rate": 0.06,
    "lambda_l2": 1.0,
    # Splits of many-valued text columns overfit at LightGBM's default of 10.
    "cat_smooth": 20.0,
}


@dataclass(frozen=True)
class BoostedLearner:
    """How many trees, and the directions of the bureau's features that they must keep: by name, 1 or -1."""

    trees: int = DEFAULT_TREE_COUNT
    directions: Mapping[str, int] = field(default_factory=dict)

    def constraints(self, features: Sequence[Feature]) -> list[int]:
        """LightGBM's constraint of each feature; categories have no direction."""
        return [
            self.directions.get(feature.name, 0) if feature.party == "bureau" and feature.kind != "categorical" else 0
            for feature in features
        ]


_DEFAULT_LEARNER = BoostedLearner()


def fit_boosted(
    values: NDArray[np.float64],
    label: NDArray[np.int64],
    features: Sequence[Feature],
    *,
    interactions: Interactions,
    seed: int,
    learner: BoostedLearner = _DEFAULT_LEARNER,
) -> tuple[Forest, lgb.Booster]:
    """The forest and LightGBM's own booster, as ``fit_booster`` trains it."""
    booster = fit_booster(values, label, features, interactions=interactions, seed=seed, learner=learner)
    return read_lightgbm(booster.dump_model()), booster


def fit_booster(
    values: NDArray[np.float64],
    label: NDArray[np.int64],
    features: Sequence[Feature],
    *,
    interactions: Interactions,
    seed: int,
    learner: BoostedLearner = _DEFAULT_LEARNER,
) -> lgb.Booster:
    """Train on ``values``, float64 [rows, features], and ``label``, int64 [rows] of 0 and 1 (1 is default).

    The same rows, features and seed give the same model on the same version of LightGBM.
    """
    dataset = lgb.Dataset(
        values,
        label=label,
        feature_name=[f"f{number}" for number in range(len(features))],
        categorical_feature=[number for number, feature in enumerate(features) if feature.kind == "categorical"],
        free_raw_data=True,
    )
    parameters = lightgbm_parameters(values, features, interactions=interactions, seed=seed)
    constraints = learner.constraints(features)
    if any(constraints):
        parameters["monotone_constraints"] = constraints
    return lgb.train(parameters, dataset, learner.trees)


def booster_scores(booster: lgb.Booster, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The booster's raw scores, float64 [rows], of ``values`` float64 [rows, features]."""
    return np.asarray(booster.predict(values, raw_score=True), dtype=np.float64)


def lightgbm_parameters(
    values: NDArray[np.float64], features: Sequence[Feature], *, interactions: Interactions, seed: int
) -> dict[str, Any]:
    """LightGBM's parameters for ``values``, float64 [rows, features].

    A leaf holds 1/500 of the rows, between 20 and 200; in small samples 1/20, at least 3.
    """
    rows = len(values)
    smallest = min(max(rows // 500, 20), 200) if rows >= 400 else max(rows // 20, 3)
    settings: dict[str, Any] = {
        "objective": "binary",
        **LIGHTGBM_SETTINGS,
        "num_leaves": int(LIGHTGBM_SETTINGS["num_leaves"]),
        "max_bin": int(LIGHTGBM_SETTINGS["max_bin"]),
        "min_data_in_leaf": smallest,
        "min_data_per_group": smallest,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        # In a small job threads wait for each other more than they work: ten times slower on a busy machine.
        "num_threads": 1 if rows * len(features) < 4_000_000 else 0,
        "verbose": -1,
    }
    if interactions == "one":
        # A column of one value splits nothing. In a wide table its group would only cost time.
        usable = [f.party == "bureau" or varies(values[:, number]) for number, f in enumerate(features)]
        settings["interaction_constraints"] = interaction_constraints(features, usable)
    return settings


def interaction_constraints(features: Sequence[Feature], usable: Sequence[bool] | None = None) -> list[list[int]]:
    """One group for each ``usable`` bank feature (default: all): all bureau features and that one.

    Groups overlap; a path stays within one.
    """
    public = [number for number, feature in enumerate(features) if feature.party == "bureau"]
    bank = [
        number
        for number, feature in enumerate(features)
        if feature.party == "bank" and (usable is None or usable[number])
    ]
    return [[*public, number] for number in bank] or [public]
