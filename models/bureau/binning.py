"""The bins of one feature: the classes of values that a set of splits tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.bureau.forest import Split
from models.shared.columns import ZERO_THRESHOLD, Binning

Outcomes = tuple[bool, ...]
"""For a class of values, whether it goes left at each split."""


def derive_binning(feature: int, splits: Sequence[Split], categories: int | None) -> tuple[Binning, list[Outcomes]]:
    """The bins that ``splits`` (all of one feature) tell apart, and for each bin the outcome of each split.

    ``feature`` is the index written into the binning; ``categories`` is their number, or None for a numeric feature.
    """
    cuts: list[float] = []
    if categories is not None:
        cells = _categorical_cells(splits, categories)
        zero = missing = tuple(False for _ in splits)  # a missing value is in no set; zero is a code like any other
        zero_apart = False
    else:
        cuts = sorted({split.threshold for split in splits})
        zero, missing = _zero_outcomes(splits), _missing_outcomes(splits)
        cells = _numeric_cells(splits, cuts, zero)
        zero_apart = cells[int(np.searchsorted(cuts, 0.0, side="left"))] != zero
    numbers: dict[Outcomes, int] = {}
    for outcomes in [*cells, missing, *([zero] if zero_apart else [])]:
        numbers.setdefault(outcomes, len(numbers))
    binning = Binning(
        feature=feature,
        cuts=tuple(cuts),
        cells=tuple(numbers[cell] for cell in cells),
        missing=numbers[missing],
        zero=numbers[zero] if zero_apart else None,
    )
    return binning, list(numbers)


def _zero_outcomes(splits: Sequence[Split]) -> Outcomes:
    return tuple(split.default_left if split.missing == "zero" else split.threshold >= 0.0 for split in splits)


def _missing_outcomes(splits: Sequence[Split]) -> Outcomes:
    return tuple(split.threshold >= 0.0 if split.missing == "none" else split.default_left for split in splits)


def _categorical_cells(splits: Sequence[Split], categories: int) -> list[Outcomes]:
    """The outcomes of each category, and of "other"."""
    return [tuple(code in (split.categories or ()) for split in splits) for code in range(categories + 1)]


def _numeric_cells(splits: Sequence[Split], cuts: Sequence[float], zero: Outcomes) -> list[Outcomes]:
    """The outcomes of the values in each cell (cuts[i-1], cuts[i]], and of the values above the last cut."""
    cells = [tuple(cut <= split.threshold for split in splits) for cut in cuts] + [tuple(False for _ in splits)]
    for cell, (low, cut) in enumerate(zip([-np.inf, *cuts], cuts, strict=False)):
        if -ZERO_THRESHOLD <= low < 0.0 <= cut <= ZERO_THRESHOLD:
            cells[cell] = zero  # the cell holds zero and nothing else
    return cells
