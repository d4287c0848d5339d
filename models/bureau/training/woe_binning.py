"""Bins of single features for the scorecard: a constraint solver's, or simple ones where these tell much more.

optbinning finds the best bins under its constraints. It finds none for a value that all or no defaulters have, drops
bins below a twentieth of the rows, and breaks on values beyond single precision. So it gets ranks in place of values,
and its bins are compared with simple ones (``simple_bins``); the better are taken, and the outcome says so. Weights of
evidence come from counts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.bureau.forest import Node, Split
from models.bureau.training.simple_bins import chance_gain, deviance_gain, find_rank_cuts, order_categories
from models.shared.features import MAX_NUMBER, Feature

MAX_WOE_BINS = 6
MIN_BIN_SHARE = 0.05  # of the rows, in a bin of the solver before merging
SIMPLE_BINS_MARGIN = 10.0
"""By how much simple bins must exceed the solver's in the Bayesian information criterion: very strong evidence (Kass
and Raftery, Journal of the American Statistical Association 90, 1995)."""

SOLVER_SECONDS = 600
"""A guard. Twenty bins before merging take the solver seconds; what it finds when the clock stops it is not taken."""

BinningRemark = Literal["", "empty", "constant", "no_difference", "solver_found_none", "solver_weaker", "solver_failed"]


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

    def to_tree(self, coefficient: float, feature: int) -> tuple[Node, ...]:
        """The bins as a tree that tests feature number ``feature``: a chain of splits whose leaves are ``coefficient``
        times the weight of evidence.
        """
        nodes: list[Node] = []
        for number, split in enumerate(self.splits):
            at = 2 * number
            nodes.append(Node(cover=0.0, split=replace(split, feature=feature), left=at + 1, right=at + 2))
            nodes.append(Node(cover=float(self.row_counts[number]), value=coefficient * self.woe[number]))
        nodes.append(Node(cover=float(self.row_counts[-1]), value=coefficient * self.woe[-1]))
        return tuple(nodes)


@dataclass(frozen=True)
class BinningOutcome:
    """``bins``: None if the feature distinguishes nothing. ``remark``: why there are none, or why they are simple."""

    bins: WoeBinning | None
    remark: BinningRemark = ""


@dataclass(frozen=True)
class _Grouping:
    """Groups of ranks of the distinct values; ``gain``: what they tell beyond their cost."""

    groups: tuple[NDArray[np.int64], ...]
    gain: float


def fit_woe_binning(feature: Feature, values: NDArray[np.float64], label: NDArray[np.int64]) -> BinningOutcome:
    """The bins of a feature. Its splits test feature 0, until ``to_tree`` numbers them.

    ``values``: float64 [rows] with NaN for missing; ``label``: int64 [rows] of 0 and 1.
    """
    present = ~np.isnan(values)
    if not present.any():
        return BinningOutcome(None, "empty")
    distinct, ranks = np.unique(values[present], return_inverse=True)
    groups, remark = _find_groups(feature, distinct, ranks.astype(np.int64), label[present])
    all_present = bool(present.all())
    if feature.kind == "categorical":
        splits = _categorical_splits(len(feature.categories), groups, distinct, np.bincount(ranks), all_present)
    else:
        splits = _numeric_splits([int(group[0]) for group in groups[1:]], distinct, all_present)
    if not splits:
        return BinningOutcome(None, "constant" if len(distinct) == 1 else remark or "no_difference")
    bins = WoeBinning(tuple(splits), (), (), len(splits)).assign_bins(values)
    bad = np.bincount(bins[label == 1], minlength=len(splits) + 1)
    good = np.bincount(bins[label == 0], minlength=len(splits) + 1)
    woe = tuple(
        math.log((b + 0.5) / (bad.sum() + 1.0)) - math.log((g + 0.5) / (good.sum() + 1.0)) if b + g else 0.0
        for b, g in zip(bad.tolist(), good.tolist(), strict=True)
    )
    return BinningOutcome(WoeBinning(tuple(splits), woe, tuple((bad + good).tolist()), len(splits)), remark)


def _find_groups(
    feature: Feature, distinct: NDArray[np.float64], ranks: NDArray[np.int64], label: NDArray[np.int64]
) -> tuple[tuple[NDArray[np.int64], ...], BinningRemark]:
    """Groups of ranks that differ in their share of defaults, one group if none do; and why they are simple bins."""
    if len(distinct) < 2 or len(np.unique(label)) < 2:
        return (np.arange(len(distinct)),), ""
    categorical = feature.kind == "categorical"
    simple, solved = _simple_grouping(categorical, ranks, label), _solver_grouping(categorical, ranks, label)
    if solved is None:
        return simple.groups, "solver_failed"
    if len(solved.groups) == 1:
        return simple.groups, "solver_found_none" if len(simple.groups) > 1 else ""
    if len(simple.groups) > 1 and simple.gain > solved.gain + SIMPLE_BINS_MARGIN:
        return simple.groups, "solver_weaker"
    return solved.groups, ""


def _simple_grouping(categorical: bool, ranks: NDArray[np.int64], label: NDArray[np.int64]) -> _Grouping:
    order = order_categories(ranks, label) if categorical else np.arange(ranks.max() + 1)
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    cuts = find_rank_cuts(places[ranks], label, MAX_WOE_BINS)
    gain = deviance_gain(np.searchsorted(cuts, places[ranks], side="right"), label)
    price = len(cuts) * math.log(len(label))
    if categorical:  # the label itself put the categories in order
        price = max(price, chance_gain(len(order)))
        cuts = cuts if gain > price else []
    return _Grouping(tuple(np.split(order, cuts)), gain - price if cuts else 0.0)


def _solver_grouping(categorical: bool, ranks: NDArray[np.int64], label: NDArray[np.int64]) -> _Grouping | None:
    """The solver's groups; None if it failed."""
    splits = _fit_optbinning(categorical, ranks, label)
    if splits is None:
        return None
    every = np.arange(ranks.max() + 1)
    if categorical:
        groups = [np.sort(np.asarray([int(code) for code in group], dtype=np.int64)) for group in splits]
        rest = np.setdiff1d(every, np.concatenate(groups)) if groups else every
        groups += [rest] if len(rest) else []
    else:
        groups = np.split(every, sorted({math.ceil(float(cut)) for cut in splits}))
    group_of = np.zeros(len(every), dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[group] = number
    gain = deviance_gain(group_of[ranks], label) - (len(groups) - 1) * math.log(len(label))
    return _Grouping(tuple(groups), gain)


def _fit_optbinning(categorical: bool, ranks: NDArray[np.int64], label: NDArray[np.int64]) -> list[Any] | None:
    """The library's splits: cut points between ranks, or arrays of codes; empty if it finds none, None if it fails."""
    from optbinning import OptimalBinning  # slow to import: loads a constraint solver

    binning = OptimalBinning(
        dtype="categorical" if categorical else "numerical",
        max_n_bins=MAX_WOE_BINS,
        min_prebin_size=MIN_BIN_SHARE,
        cat_cutoff=MIN_BIN_SHARE if categorical else None,
        time_limit=SOLVER_SECONDS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            binning.fit(ranks if categorical else ranks.astype(np.float64), label)
            return list(binning.splits) if binning.status == "OPTIMAL" else None  # "FEASIBLE": out of time
        except (ValueError, RuntimeError, TypeError, LookupError, AttributeError, ArithmeticError):
            return None  # a degenerate column must not end a training: it gets simple bins, and the card says so


def _categorical_splits(
    categories: int,
    groups: Sequence[NDArray[np.int64]],
    distinct: NDArray[np.float64],
    rows: NDArray[np.int64],
    all_present: bool,
) -> list[Split]:
    """One split for each group of ranks; none if one group holds every row. ``rows``: of each rank."""
    if len(groups) == 1 and all_present:
        return []
    codes = [{int(code) for code in distinct[group]} for group in groups]
    if not all_present:
        # The last bin is that of missing values. A code that training never saw belongs to the largest group instead.
        largest = int(np.argmax([rows[group].sum() for group in groups]))
        codes[largest] |= set(range(categories + 1)).difference(*codes)
    return [
        Split(feature=0, threshold=0.0, missing="nan", default_left=False, categories=tuple(sorted(group)))
        for group in codes
    ]


def _numeric_splits(starts: Sequence[int], distinct: NDArray[np.float64], all_present: bool) -> list[Split]:
    """One split below each of ``starts``, the first ranks of the groups after the first."""
    edges = [_edge_between(float(distinct[start - 1]), float(distinct[start])) for start in starts]
    if edges or not all_present:
        edges.append(MAX_NUMBER)  # every present value goes left here, and the missing ones remain
    return [Split(feature=0, threshold=edge, missing="nan", default_left=False) for edge in edges]


def _edge_between(low: float, high: float) -> float:
    """The largest double below the middle of two values, so that ``low`` is at most the edge and ``high`` above it."""
    edge = math.nextafter(low / 2 + high / 2, -math.inf)
    return edge if low <= edge < high else low
