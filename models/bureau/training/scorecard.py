"""The scorecard family: logistic regression over weights of evidence, as a forest with one tree for each feature.

Every tree tests one feature, so no path tests two bank features, and a bank feature's bins are its columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.bureau.forest import Forest
from models.bureau.training.woe_binning import BinningOutcome, fit_woe_binning
from models.shared.features import Feature

REGRESSION_SETTINGS: dict[str, float] = {"C": 1.0, "max_iter": 1000}


class ScorecardLearner:
    """Trains scorecards. It keeps the bins of every column that it has seen, as models of one party share them with the
    joint one.
    """

    def __init__(self) -> None:
        self._outcomes: dict[bytes, BinningOutcome] = {}

    def fit(self, values: NDArray[np.float64], label: NDArray[np.int64], features: Sequence[Feature]) -> Forest:
        """Train on ``values``, float64 [rows, features], and ``label``, int64 [rows] of 0 and 1 (1 is default).

        A feature that distinguishes nothing gets no tree. Without any tree the forest is a constant.
        """
        outcomes = self.binnings(values, label, features)
        used = [(number, outcome.bins) for number, outcome in enumerate(outcomes) if outcome.bins is not None]
        if not used:
            rate = float(np.mean(label))
            return Forest(trees=(), bias=float(np.log(rate / (1.0 - rate))))
        inputs = np.column_stack([np.asarray(bins.woe)[bins.assign_bins(values[:, number])] for number, bins in used])
        regression = LogisticRegression(C=REGRESSION_SETTINGS["C"], max_iter=int(REGRESSION_SETTINGS["max_iter"])).fit(
            inputs, label
        )
        coefficients = [float(coefficient) for coefficient in regression.coef_[0]]
        return Forest(
            trees=tuple(
                bins.to_tree(coefficient, number)
                for (number, bins), coefficient in zip(used, coefficients, strict=True)
            ),
            bias=float(regression.intercept_[0]),
        )

    def binnings(
        self, values: NDArray[np.float64], label: NDArray[np.int64], features: Sequence[Feature]
    ) -> list[BinningOutcome]:
        """The bins of every feature, or why it has none."""
        return [self._binning(feature, values[:, number], label) for number, feature in enumerate(features)]

    def _binning(self, feature: Feature, values: NDArray[np.float64], label: NDArray[np.int64]) -> BinningOutcome:
        key = hashlib.sha256(f"{feature.kind} {len(feature.categories)} ".encode())
        key.update(np.ascontiguousarray(values).tobytes() + label.tobytes())
        if key.digest() not in self._outcomes:
            self._outcomes[key.digest()] = fit_woe_binning(feature, values, label)
        return self._outcomes[key.digest()]
