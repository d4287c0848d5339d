"""Judging scores against outcomes: AUC, Kolmogorov-Smirnov distance, ROC curves, and the gap of encrypted to plain."""

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
    """What the test rows say of each model: ``auc`` and ``ks`` are None where they hold one class, or no row."""

    auc: dict[str, float | None]
    ks: dict[str, float | None]
    curves: dict[str, tuple[Floats, Floats]]


def measure_discrimination(labels: NDArray[np.int8], scores: Mapping[str, Floats]) -> DiscriminationMetrics:
    """Judge each model's raw scores (higher: riskier) of the same rows, [rows], against 0/1 labels, [rows]."""
    if len(np.unique(labels)) < 2:
        nothing: dict[str, float | None] = dict.fromkeys(scores)
        return DiscriminationMetrics(nothing, dict(nothing), {})
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
    """Largest absolute difference of two score arrays; None when they are empty."""
    return float(np.max(np.abs(one - other))) if len(one) else None
