"""Features that a model does not use, and those whose bins are simple ones, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.bureau.forest import Forest
from models.bureau.training.pilot_sample import PilotSample
from models.bureau.training.woe_binning import BinningOutcome
from models.bureau.training_verdict import FeatureRemark, RemarkKind


def remark_features(
    sample: PilotSample, forest: Forest, outcomes: Sequence[BinningOutcome] = ()
) -> list[FeatureRemark]:
    """A remark on each feature that no tree of ``forest`` tests, or whose bins are not the solver's.

    ``outcomes``: of a scorecard, one for each feature; empty for another family.
    """
    tested = {node.split.feature for tree in forest.trees for node in tree if node.split is not None}
    remarks = list(sample.left_out)
    for number, feature in enumerate(sample.features):
        kind: RemarkKind | None = None
        if outcomes:
            kind = outcomes[number].remark or None
        elif number not in tested:
            kind = _why_unused(sample.values[:, number])
        if kind is not None:
            remarks.append(FeatureRemark(feature.name, feature.party, kind))
    return remarks


def _why_unused(values: NDArray[np.float64]) -> RemarkKind:
    present = values[~np.isnan(values)]
    if not len(present):
        return "empty"
    return "constant" if len(present) == len(values) and len(np.unique(present)) == 1 else "unused"
