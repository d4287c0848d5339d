"""Optimal bins of single features for the scorecard, by optbinning; weights of evidence from counts."""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bureau.forest import Node, Split
from models.shared.features import MAX_NUMBER, Feature

MAX_WOE_BINS = 6
MIN_BIN_SHARE = 0.05  # of the rows, in a bin before merging
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WoeBinning:
    """The bins of one feature."""

    splits: tuple[Split, ...]
    """In order: the first split that goes left decides the bin; if none does, it is the last bin."""
    woe: tuple[float, ...]
    """The weight of evidence of each bin: ln of the share of defaults over the share of the others, with half a case
    added to each, so that empty bins are finite. Higher is riskier; 0 where training had no rows."""
    row_counts: tuple[int, ...]
    missing_bin: int
    """The bin of missing values."""

    def assign_bins(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bin of each value, int64 [rows], from ``values`` float64 [rows]."""
        bins = np.full(len(values), len(self.splits), dtype=np.int64)
        for number in range(len(self.splits) - 1, -1, -1):
            bins[self.splits[number].goes_left(values)] = number
        return bins

    def to_tree(self, coefficient: float) -> tuple[Node, ...]:
        """The bins as a tree: a chain of splits whose leaves are ``coefficient`` times the weight of evidence."""
        nodes: list[Node] = []
        for number, split in enumerate(self.splits):
            at = 2 * number
            nodes.append(Node(cover=0.0, split=split, left=at + 1, right=at + 2))
            nodes.append(Node(cover=float(self.row_counts[number]), value=coefficient * self.woe[number]))
        nodes.append(Node(cover=float(self.row_counts[-1]), value=coefficient * self.woe[-1]))
        return tuple(nodes)


def fit_woe_binning(
    number: int, feature: Feature, values: NDArray[np.float64], label: NDArray[np.int64]
) -> WoeBinning | None:
    """The bins of feature ``number``; None if it distinguishes nothing (constant, or always missing).

    ``values``: float64 [rows] with NaN for missing; ``label``: int64 [rows] of 0 and 1.
    """
    present = ~np.isnan(values)
    cuts = _find_cuts(feature, values[present], label[present]) if present.any() else []
    if feature.kind == "categorical":
        splits = [_categorical_split(number, group) for group in cuts]
    else:
        splits = _numeric_splits(number, cuts, all_present=bool(present.all()))
    if not splits or (len(splits) == 1 and present.all()):
        return None
    bins = WoeBinning(tuple(splits), (), (), len(splits)).assign_bins(values)
    bad = np.bincount(bins[label == 1], minlength=len(splits) + 1)
    good = np.bincount(bins[label == 0], minlength=len(splits) + 1)
    woe = tuple(
        math.log((b + 0.5) / (bad.sum() + 1.0)) - math.log((g + 0.5) / (good.sum() + 1.0)) if b + g else 0.0
        for b, g in zip(bad.tolist(), good.tolist(), strict=True)
    )
    return WoeBinning(tuple(splits), woe, tuple((bad + good).tolist()), len(splits))


def _categorical_split(number: int, codes: list[float]) -> Split:
    categories = tuple(sorted(int(code) for code in codes))
    return Split(feature=number, threshold=0.0, missing="nan", default_left=False, categories=categories)


def _numeric_splits(number: int, cuts: list[list[float]], *, all_present: bool) -> list[Split]:
    # A bin of optbinning is [a, b), a bin of a forest is (a, b]: the largest double below a cut makes the same bins.
    edges = sorted({float(np.nextafter(cut, -np.inf)) for group in cuts for cut in group})
    if edges or not all_present:
        edges.append(MAX_NUMBER)  # every present value goes left here, and the missing ones remain
    return [Split(feature=number, threshold=edge, missing="nan", default_left=False) for edge in edges]


def _find_cuts(feature: Feature, values: NDArray[np.float64], label: NDArray[np.int64]) -> list[list[float]]:
    """Cut points (one group) of a numeric feature, or groups of codes of a categorical one; empty if there are none."""
    if len(np.unique(values)) < 2 or len(np.unique(label)) < 2:
        return []
    splits = _fit_optbinning(feature, values, label)
    groups = ([splits] if splits else []) if feature.kind == "numeric" else splits
    return [[float(value) for value in group] for group in groups]


def _fit_optbinning(feature: Feature, values: NDArray[np.float64], label: NDArray[np.int64]) -> list[Any]:
    """The library's splits: cut points, or arrays of codes; empty if it finds none."""
    from optbinning import OptimalBinning  # slow to import: loads a constraint solver

    numeric = feature.kind == "numeric"
    binning = OptimalBinning(
        dtype="numerical" if numeric else "categorical",
        max_n_bins=MAX_WOE_BINS,
        min_prebin_size=MIN_BIN_SHARE,
        cat_cutoff=None if numeric else MIN_BIN_SHARE,
        time_limit=20,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            binning.fit(values if numeric else values.astype(np.int64), label)
            return list(binning.splits) if binning.status in ("OPTIMAL", "FEASIBLE") else []
        except (ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
            # A degenerate column must not end a training. It becomes one bin, and the log names it.
            logger.warning("no bins for feature %s: %s", feature.name, type(error).__name__)
            return []
