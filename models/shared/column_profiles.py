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

<<<<<<< HEAD
WATCH_INDEX, STOP_INDEX = 0.25, 1.0
WATCH_SHARE, STOP_SHARE = 0.05, 0.25
WATCH_EXTREME, STOP_EXTREME = 0.25, 0.5
OUTLIER_RANGES: Final = 30.0
"""Of ordinary amounts (logarithms with a deviation of 2) about one value in 1,000 lies so far out."""
=======
>>>>>>> drift2
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


<<<<<<< HEAD
def measure_drift(feature: Feature, profile: ColumnProfile, values: NDArray[np.float64]) -> ColumnDrift:
    """How far encoded ``values``, float64 [rows], are from a profile."""
    rows = len(values)
    present = values[~np.isnan(values)]
    now, then = (np.asarray(counts, float) for counts in (_count(feature, profile.edges, present), profile.counts))
    missing = _Share(profile.missing, profile.rows, rows - len(present), rows)
    hidden = profile.rows - profile.missing - float(then.sum())
    unseen, extreme = _Share(0, profile.rows, 0, rows), _Share(0, 0, 0, 0)
    if feature.kind == "categorical":
        rare, then, now_pooled = _pool_rare(profile, now, rows)
        unseen = max(rare, _unknown(profile, now, rows), key=lambda share: share.sure_growth)
        tables = [(then, now_pooled), rare.table]
    else:
        extreme = _extremes(then, now)
        tables = [_pool_empty(then, now, hidden), _pool_empty(then[1:], now[1:], hidden)]
    tables[0] = np.append(tables[0][0], profile.missing), np.append(tables[0][1], missing.now)
    indices = [pair for pair in (stability_index(*table) for table in tables) if pair is not None]
    index, chance = max(indices, key=lambda pair: pair[0] - pair[1], default=(None, 0.0))
    over = 0.0 if index is None else index - chance
    grown = max(missing.sure_growth, unseen.sure_growth)
    moved = extreme.sure_growth
    level: DriftLevel = "stable"
    if grown >= WATCH_SHARE or over >= WATCH_INDEX or moved >= WATCH_EXTREME:
        far = grown >= STOP_SHARE
        if feature.kind != "date":  # time moves dates, which is no reason to stop
            far = far or over >= STOP_INDEX or moved >= STOP_EXTREME
        level = "stop" if rows >= LEAST_ROWS and far else "watch"
    return ColumnDrift(
        feature.name,
        rows,
        missing_before=missing.share_before,
        missing=missing.share,
        unseen_before=unseen.share_before,
        unseen=unseen.share,
        index=index,
        chance=chance,
        level=level,
        extreme_before=extreme.share_before if moved else 0.0,
        extreme=extreme.share if moved else 0.0,
    )


def measure_all_drift(
    features: Sequence[Feature], profiles: Sequence[ColumnProfile], values: NDArray[np.float64]
) -> tuple[ColumnDrift, ...]:
    """The drift of each feature that has a profile; ``values``: float64 [rows, features]."""
    known = {profile.name: profile for profile in profiles}
    return tuple(
        measure_drift(feature, known[feature.name], values[:, place])
        for place, feature in enumerate(features)
        if feature.name in known
    )


def count_outliers(profile: ColumnProfile | None, values: NDArray[np.float64]) -> int:
    """How many of ``values``, float64 [rows], lie ``OUTLIER_RANGES`` widths of the training's middle outside it.

    The middle is what is between the first and the last edge of the profile; 0 without two edges.
    """
    if profile is None or len(profile.edges) < 2:
        return 0
    low, high = profile.edges[0], profile.edges[-1]
    width = OUTLIER_RANGES * (high - low)
    present = values[~np.isnan(values)]
    return int(((present < low - width) | (present > high + width)).sum())


def require_acceptable_drift(found: Sequence[ColumnDrift], *, accepted: bool) -> None:
    """Raise ``InvalidInput`` naming the columns that are too far from their profiles, unless a person accepted that."""
    far = [drift for drift in found if drift.level == "stop"]
    if far and not accepted:
        listed = "; ".join(f"{drift.name}: {drift.text[1]}" for drift in far[:10])
        raise InvalidInput(
            f"Expected columns like those that the model was trained on; found {len(far)} far from them ({listed}).",
            next_step="correct the columns (unit, spelling, blanks), or say --accept-drift if the data are right",
        )


=======
>>>>>>> drift2
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
