"""Draws the verdict from scores of unseen rows, signs of leaks and remarks on features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bureau.training.verdict.auc_comparison import compare_models
from models.bureau.training_verdict import (
    MAX_LEAKS,
    MAX_REMARKS,
    ComparedModel,
    FeatureRemark,
    LeakSign,
    TrainingVerdict,
)


@dataclass(frozen=True)
class Comparison:
    """Tested rows: ``label``, [rows] of 0 and 1; raw scores of the joint model and of ``others``, float64 [rows].

    ``cross_fitted``: each row was scored by a model of the other four fifths.
    """

    label: NDArray[np.int64]
    joint: NDArray[np.float64]
    others: Mapping[ComparedModel, NDArray[np.float64]]
    cross_fitted: bool = False


def conclude(
    tested: Comparison, leaks: Sequence[LeakSign], remarks: Sequence[FeatureRemark], *, seed: int
) -> TrainingVerdict:
    """The verdict; long lists are cut, with their whole number."""
    return TrainingVerdict(
        rows=len(tested.label),
        positives=int(tested.label.sum()),
        cross_fitted=tested.cross_fitted,
        comparisons=compare_models(tested.label, tested.joint, tested.others, seed=seed),
        leaks=tuple(leaks[:MAX_LEAKS]),
        leak_count=len(leaks),
        remarks=tuple(remarks[:MAX_REMARKS]),
        remark_count=len(remarks),
    )
