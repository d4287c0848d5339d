"""How the values of a column were distributed when a model was trained, in counts of which none is of a few rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.shared.canonical_json import STRICT_CONFIG, require
from models.shared.features import MAX_CATEGORIES, Feature

SMALLEST_COUNT: Final = 5
"""A bin of fewer rows is kept as empty: a profile goes to every bank that uses the model."""
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class ColumnProfile:
    """The distribution of one feature in a sample. Counts are of rows; ``missing`` counts unreadable cells as well.

    A count of fewer than 5 is kept as 0. If all of those are fewer than 5 together, they are added to the largest
    count, so that subtracting what is shown from ``rows`` leaves none or at least 5.

    Categorical: ``counts`` are by code, the last is "other". Else: the first is of zeros, the others of the values
    between ``edges``, ascending: up to the first edge, up to the second, ..., above the last.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    rows: Count
    missing: Count
    edges: Annotated[tuple[float, ...], Field(max_length=9)]
    counts: Annotated[tuple[Count, ...], Field(max_length=MAX_CATEGORIES + 1)]

    __pydantic_config__ = STRICT_CONFIG


def measure_profile(feature: Feature, values: NDArray[np.float64]) -> ColumnProfile:
    """The profile of encoded ``values``, float64 [rows] (``features.encode_features``)."""
    present = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    if feature.kind != "categorical":
        edges = _edges(feature, present[present != 0])
    missing, *counts = _hide_few(np.array([len(values) - len(present), *count_rows(feature, edges, present)]))
    return ColumnProfile(feature.name, len(values), missing, edges, tuple(counts))


def check_profiles(features: Sequence[Feature], profiles: Sequence[ColumnProfile], *, of: str) -> None:
    """Raise ``InvalidInput`` unless profiles are of these features, once each, and fit them; ``of``: their document."""
    known = {feature.name: feature for feature in features}
    require(len({profile.name for profile in profiles}) == len(profiles), "one profile for each feature", of=of)
    for profile in profiles:
        require(profile.name in known, "profiles of its own features", of=of)
        feature = known[profile.name]
        bins = len(feature.categories) + 1 if feature.kind == "categorical" else len(profile.edges) + 2
        require(len(profile.counts) == bins, "profiles that fit their features", of=of)
        require(all(a < b for a, b in zip(profile.edges, profile.edges[1:], strict=False)), "ascending edges", of=of)
        require(sum(profile.counts) + profile.missing <= profile.rows, "profiles of no more than their rows", of=of)


def _edges(feature: Feature, moving: NDArray[np.float64]) -> tuple[float, ...]:
    """The edges of up to ten bins of at least five of the values that are not zero; none for fewer than ten values."""
    bins = min(10, len(moving) // SMALLEST_COUNT)
    if bins < 2:
        return ()
    quantiles = np.quantile(moving, np.arange(1, bins) / bins, method="inverted_cdf")
    edges = sorted({_rounded_up(feature, float(quantile)) for quantile in quantiles})
    below = edges[0] - abs(edges[0]) / 2
    if (moving <= edges[0]).mean() > 0.5 and not (moving <= below).any():
        edges.insert(0, below)  # most have about one value: those in a smaller unit need a bin to go to
    return tuple(edges)


def _rounded_up(feature: Feature, edge: float) -> float:
    """An edge to three digits, of dates to 30 days: a quantile is one enterprise's value, and a profile goes to banks.

    Not below the value, or its row would leave its bin, which might have only five.
    """
    if feature.kind == "date":  # to a month of 30 days
        return 30.0 * math.ceil(edge / 30.0)
    if edge == 0:
        return edge
    near = float(f"{edge:.3g}")
    step = 10.0 ** (math.floor(math.log10(abs(edge))) - 2)
    return near if near >= edge else float(f"{near + step:.3g}")


def count_rows(feature: Feature, edges: Sequence[float], present: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows by bin, as the counts of ``ColumnProfile``; ``present``: encoded values, none missing."""
    if feature.kind == "categorical":
        return np.bincount(present.astype(np.int64), minlength=len(feature.categories) + 1)
    moving = present[present != 0]
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), moving, side="left")
    return np.concatenate([[len(present) - len(moving)], np.bincount(bins, minlength=len(edges) + 1)])


def _hide_few(counts: NDArray[np.int64]) -> list[int]:
    """The counts of ``ColumnProfile``: none is of fewer than 5 rows, nor is what they leave of the sum."""
    shown = np.where(counts >= SMALLEST_COUNT, counts, 0)
    hidden = counts.sum() - shown.sum()
    if shown.any() and hidden < SMALLEST_COUNT:
        shown[shown.argmax()] += hidden
    return [int(count) for count in shown]
