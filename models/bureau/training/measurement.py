"""Measures of quality and calibration: on rows of the sample that the measured model has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from models.shared.calibration import Calibration

MIN_CALIBRATION_SLOPE = 1e-3  # a slope below this means that the score carries no signal


def calibrate(raw: NDArray[np.float64], label: NDArray[np.int64]) -> tuple[Calibration, bool]:
    """Platt scaling of ``raw`` scores, float64 [rows], of rows that the model had not seen; and whether it is flat.

    Flat: the scores carry no signal. The probability then hardly moves from the share of defaults, and the order of
    the scores is kept.
    """
    spread = float(np.std(raw)) or 1.0
    regression = LogisticRegression(C=10.0).fit((raw / spread)[:, None], label)
    slope, offset = float(regression.coef_[0, 0]) / spread, float(regression.intercept_[0])
    if slope >= MIN_CALIBRATION_SLOPE:
        return Calibration(slope, offset), False
    rate = float(np.mean(label))
    offset = float(np.log(rate / (1 - rate)) - MIN_CALIBRATION_SLOPE * np.mean(raw))
    return Calibration(MIN_CALIBRATION_SLOPE, offset), True


def ks_statistic(label: NDArray[np.int64], raw: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance of the two classes' scores."""
    false_rate, true_rate, _ = roc_curve(label, raw)
    return float(np.max(np.abs(true_rate - false_rate)))


def auc(label: NDArray[np.int64], raw: NDArray[np.float64]) -> float:
    """The area under the receiver operating characteristic."""
    return float(roc_auc_score(label, raw))
