"""Metrics of scores: AUC, Kolmogorov-Smirnov distance, ROC curves, and the difference of two score arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc as area
from sklearn.metrics import roc_curve

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DiscriminationMetrics:
    """Metrics by model. ``auc`` and ``ks`` are None if the test rows have only one label value, or there are none."""

    auc: dict[str, float | None]
    ks: dict[str, float | None]
    curves: dict[str, tuple[Floats, Floats]]


def measure_discrimination(labels: NDArray[np.int8], scores: Mapping[str, Floats]) -> DiscriminationMetrics:
    """Compare each model's raw scores, [rows] (higher: riskier), with 0/1 labels, [rows]."""
    if len(np.unique(labels)) < 2:
        none: dict[str, float | None] = dict.fromkeys(scores)
        return DiscriminationMetrics(none, dict(none), {})
    auc: dict[str, float | None] = {}
    ks: dict[str, float | None] = {}
    curves: dict[str, tuple[Floats, Floats]] = {}
    for name, raw in scores.items():
        false, true, _ = roc_curve(labels, raw, drop_intermediate=False)
        auc[name] = float(area(false, true))
        ks[name] = float(np.max(true - false))
        curves[name] = (np.asarray(false, dtype=np.float64), np.asarray(true, dtype=np.float64))
    return DiscriminationMetrics(auc, ks, curves)


def max_abs_difference(one: Floats, other: Floats) -> float | None:
    """Largest absolute difference of two score arrays, [rows] each; None if they are empty."""
    return float(np.max(np.abs(one - other))) if len(one) else None
