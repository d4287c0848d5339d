"""Labels, measures of quality and calibration: on rows of the sample that the measured model has not seen."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from lab.terms.errors import InvalidInput
from models.shared.calibration import Calibration

MIN_TRAINING_ROWS = 40
MIN_CLASS_ROWS = 5
MIN_CALIBRATION_SLOPE = 1e-3  # a slope below this means that the score carries no signal


def validate_label(label: ArrayLike, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.int64]:
    """The label as int64 [rows] of 0 and 1; raises ``InvalidInput`` if nothing can be learnt from it."""
    try:
        values = np.asarray(label, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("Expected a label of 0 and 1; found text.", next_step="write the label as 0 and 1") from None
    if values.ndim != 1 or len({len(values), public.height, bank.height}) != 1:
        raise InvalidInput(
            f"Expected as many labels as rows; found {len(values)} labels, {public.height} and {bank.height} rows."
        )
    if not np.isin(values, (0.0, 1.0)).all():
        raise InvalidInput(
            "Expected a label of 0 and 1 without gaps; found other values.", next_step="correct the label"
        )
    counts = np.bincount(values.astype(np.int64), minlength=2)
    if len(values) and counts.min() == 0:
        raise InvalidInput(
            "Expected a label with two classes; found one.", next_step="add enterprises of the other class to the pilot"
        )
    if len(values) < MIN_TRAINING_ROWS or counts.min() < MIN_CLASS_ROWS:
        raise InvalidInput(
            f"Expected at least {MIN_TRAINING_ROWS} rows and {MIN_CLASS_ROWS} of each class to train on; "
            f"found {len(values)} rows, {counts[0]} and {counts[1]}.",
            next_step="use a larger pilot sample",
        )
    return values.astype(np.int64)


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
