"""The scorecard family: logistic regression over weights of evidence, as a forest with one tree for each feature.

Every tree tests one feature, so no path tests two bank features, and a bank feature's bins are its columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.bureau.forest import Forest
from models.bureau.training.woe_binning import fit_woe_binning
from models.shared.features import Feature

REGRESSION_SETTINGS: dict[str, float] = {"C": 1.0, "max_iter": 1000}


def fit_scorecard(values: NDArray[np.float64], label: NDArray[np.int64], features: Sequence[Feature]) -> Forest:
    """Train on ``values``, float64 [rows, features], and ``label``, int64 [rows] of 0 and 1 (1 is default).

    A feature that distinguishes nothing gets no tree. Without any tree the forest is a constant.
    """
    binnings = [fit_woe_binning(number, feature, values[:, number], label) for number, feature in enumerate(features)]
    used = [(number, bins) for number, bins in enumerate(binnings) if bins is not None]
    if not used:
        rate = float(np.mean(label))
        return Forest(trees=(), bias=float(np.log(rate / (1.0 - rate))))
    inputs = np.column_stack([np.asarray(bins.woe)[bins.assign_bins(values[:, number])] for number, bins in used])
    regression = LogisticRegression(C=REGRESSION_SETTINGS["C"], max_iter=int(REGRESSION_SETTINGS["max_iter"])).fit(
        inputs, label
    )
    coefficients = [float(coefficient) for coefficient in regression.coef_[0]]
    return Forest(
        trees=tuple(bins.to_tree(coefficient) for (_, bins), coefficient in zip(used, coefficients, strict=True)),
        bias=float(regression.intercept_[0]),
    )
