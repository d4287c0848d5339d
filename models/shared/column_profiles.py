"""How a column's values were distributed when a model was trained, and how far other data are from that.

The population stability index of shares p (then) and q (now) is the sum of (q - p) ln(q / p) over the bins (Siddiqi,
*Credit Risk Scorecards*, Wiley 2006). By chance alone it is about (1/n + 1/m) times a chi-squared variable (Yurdakul,
Naranjo, *Journal of Risk Model Validation* 14 (4), 2020), so its 99.9th percentile is allowed for. It is measured over
all values, and over those that are not zero alone, because a change of unit moves no zero.

A change of a share counts when it is larger than chance would make it: the likelihood ratio of two shares against one
common share, n KL(q, r) + m KL(p, r) with r of both samples together, exceeds log 1,000 (Wilks, *Annals of Mathematical
Statistics* 9, 1938: by chance once in 5,000 times). Fewer than 20 rows never stop a job: they cannot show that a whole
column changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.errors import InvalidInput
from lab.terms.text.bilingual import BilingualText
from models.shared.canonical_json import STRICT_CONFIG, require
from models.shared.features import MAX_CATEGORIES, Feature, FeatureCells

WATCH_INDEX, STOP_INDEX = 0.25, 1.0
WATCH_SHARE, STOP_SHARE = 0.05, 0.25
WATCH_EXTREME, STOP_EXTREME = 0.25, 0.5
_BINS_WITH_EXTREMES: Final = 6
OUTLIER_RANGES: Final = 30.0
"""Of ordinary amounts (logarithms with a deviation of 2) about one value in 1,000 lies so far out."""
LEAST_ROWS: Final = 20
"""Rows below which no index is computed, and nothing stops."""
SMALLEST_COUNT: Final = 5
"""A bin of fewer rows is kept as empty: a profile goes to every bank that uses the model."""
_SURE: Final = math.log(1_000)
DriftLevel = Literal["stable", "watch", "stop"]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class ColumnProfile:
    """The distribution of one feature in a sample. Counts are of rows; ``missing`` counts unreadable cells as well.

    Categorical: ``counts`` are by code, the last is "other". Else: the first is of zeros, the others of the values
    between ``edges``, ascending: up to the first edge, up to the second, ..., above the last.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    rows: Count
    missing: Count
    edges: Annotated[tuple[float, ...], Field(max_length=9)]
    counts: Annotated[tuple[Count, ...], Field(max_length=MAX_CATEGORIES + 1)]

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class ColumnDrift:
    """How far a column is from its profile. Shares are of rows, ``extreme`` of values that are not zero: in the lowest
    and highest bins, if that surely grew. ``index``: None for too few rows; ``chance``: its 99.9th percentile by chance
    alone. ``level``: whether a person should look (``watch``) or must agree (``stop``).
    """

    name: str
    rows: int
    missing_before: float
    missing: float
    unseen_before: float
    unseen: float
    index: float | None
    chance: float
    level: DriftLevel
    extreme_before: float = 0.0
    extreme: float = 0.0

    @property
    def text(self) -> BilingualText:
        """What changed, without the column's name, in (Chinese, English)."""
        zh, en = [], []
        if self.missing - self.missing_before >= WATCH_SHARE:
            zh.append(f"缺失 {self.missing:.0%}，训练时 {self.missing_before:.0%}")
            en.append(f"{self.missing:.0%} missing, {self.missing_before:.0%} in training")
        if self.unseen - self.unseen_before >= WATCH_SHARE:
            zh.append(f"{self.unseen:.0%} 的值训练时没有或罕见，训练时 {self.unseen_before:.0%}")
            en.append(f"{self.unseen:.0%} of values unknown or rare in training, {self.unseen_before:.0%} then")
        if self.extreme - self.extreme_before >= WATCH_EXTREME:
            before, now = f"{self.extreme_before:.0%}", f"{self.extreme:.0%}"
            zh.append(f"非零值中 {now} 在训练时的最低或最高一成之外，训练时 {before}")
            en.append(f"{now} of values that are not zero as low or high as {before} were in training")
        if self.index is not None and self.index - self.chance >= WATCH_INDEX:
            zh.append(f"分布变化 PSI {self.index:.2f}")
            en.append(f"distribution moved, PSI {self.index:.2f}")
        return "；".join(zh), "; ".join(en)


def measure_profile(feature: Feature, values: NDArray[np.float64]) -> ColumnProfile:
    """The profile of encoded ``values``, float64 [rows] (``features.encode_features``)."""
    present = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    if feature.kind != "categorical":
        moving = present[present != 0]
        if len(moving) >= 10 * SMALLEST_COUNT:
            quantiles = np.quantile(moving, np.linspace(0.1, 0.9, 9), method="inverted_cdf")
            edges = tuple(sorted({_rounded(feature, float(quantile)) for quantile in quantiles}))
    counts = _count(feature, edges, present)
    kept = tuple(int(count) if count >= SMALLEST_COUNT else 0 for count in counts)
    missing = len(values) - len(present)
    return ColumnProfile(feature.name, len(values), missing if missing >= SMALLEST_COUNT else 0, edges, kept)


def measure_drift(feature: Feature, profile: ColumnProfile, values: NDArray[np.float64]) -> ColumnDrift:
    """How far encoded ``values``, float64 [rows], are from a profile."""
    rows = len(values)
    present = values[~np.isnan(values)]
    now, then = _count(feature, profile.edges, present), np.asarray(profile.counts, dtype=np.int64)
    missing = (profile.missing, rows - len(present))
    unseen = (int(then[-1]), int(now[-1])) if feature.kind == "categorical" else (0, 0)
    shares = [
        (pair[0] / max(profile.rows, 1), pair[1] / max(rows, 1), _surely_more(pair, (profile.rows, rows)))
        for pair in (missing, unseen)
    ]
    index, chance = _stability(
        np.array([missing[0], *then]), np.array([missing[1], *now]), categorical=feature.kind == "categorical"
    )
    grown = max((now_share - before for before, now_share, sure in shares if sure), default=0.0)
    usual, extreme = _extremes(then, now) if feature.kind != "categorical" else (0.0, 0.0)
    over = 0.0 if index is None else index - chance
    level: DriftLevel = "stable"
    if grown >= WATCH_SHARE or over >= WATCH_INDEX or extreme - usual >= WATCH_EXTREME:
        far = grown >= STOP_SHARE or over >= STOP_INDEX or extreme - usual >= STOP_EXTREME
        level = "stop" if rows >= LEAST_ROWS and far else "watch"
    return ColumnDrift(
        feature.name,
        rows,
        missing_before=shares[0][0],
        missing=shares[0][1],
        unseen_before=shares[1][0],
        unseen=shares[1][1],
        index=index,
        chance=chance,
        level=level,
        extreme_before=usual,
        extreme=extreme,
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
    """How many of ``values``, float64 [rows], lie ``OUTLIER_RANGES`` times the width of the training's middle outside it.

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


def describe_findings(cells: Sequence[FeatureCells], drifts: Sequence[ColumnDrift]) -> list[str]:
    """A line for each column of which a person should know, English, with the column's name."""
    lines = [
        f"column {one.name}: {one.unreadable:,} cells could not be read and count as missing"
        for one in cells
        if one.unreadable
    ]
    return lines + [f"column {drift.name}: {drift.text[1]}" for drift in drifts if drift.level != "stable"]


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


def _rounded(feature: Feature, edge: float) -> float:
    """An edge to three digits: a quantile is one enterprise's value, and a profile goes to every bank of the model."""
    return edge if feature.kind == "date" else float(f"{edge:.3g}")


def _count(feature: Feature, edges: Sequence[float], present: NDArray[np.float64]) -> NDArray[np.int64]:
    if feature.kind == "categorical":
        return np.bincount(present.astype(np.int64), minlength=len(feature.categories) + 1)
    moving = present[present != 0]
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), moving, side="left")
    return np.concatenate([[len(present) - len(moving)], np.bincount(bins, minlength=len(edges) + 1)])


def _extremes(then: NDArray[np.int64], now: NDArray[np.int64]) -> tuple[float, float]:
    """The share of the lowest and highest bins among values that are not zero, then and now; both 0 unless it surely
    grew. A change of unit moves nearly all values there, which few of them suffice to show.
    """
    if len(then) < _BINS_WITH_EXTREMES:
        return 0.0, 0.0
    ends = (int(then[1] + then[-1]), int(now[1] + now[-1]))
    moving = (int(then[1:].sum()), int(now[1:].sum()))
    if not _surely_more(ends, moving):
        return 0.0, 0.0
    return ends[0] / moving[0], ends[1] / moving[1]


def _stability(then: NDArray[np.int64], now: NDArray[np.int64], *, categorical: bool) -> tuple[float | None, float]:
    """The index that exceeds chance most, and the chance: over all bins, and over those of values that are not zero."""
    found = [_index(then, now)]
    if not categorical:
        found.append(_index(then[2:], now[2:]))
    known = [pair for pair in found if pair is not None]
    if not known:
        return None, 0.0
    return max(known, key=lambda pair: pair[0] - pair[1])


def _index(then: NDArray[np.int64], now: NDArray[np.int64]) -> tuple[float, float] | None:
    bins, before, after = len(then), int(then.sum()), int(now.sum())
    if bins < 2 or before < LEAST_ROWS or after < LEAST_ROWS:
        return None
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * bins) for counts in (then, now))
    freedom = bins - 1
    # The 99.9th percentile of the chi-squared distribution (Wilson, Hilferty, PNAS 17, 1931).
    percentile = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    return float(((q - p) * np.log(q / p)).sum()), (1 / before + 1 / after) * percentile


def _surely_more(pair: tuple[int, int], rows: tuple[int, int]) -> bool:
    """Whether a share grew by more than chance would make it grow in two samples of one population."""
    (before, now), (sample, present) = pair, rows
    if not sample or not present or now * sample <= before * present:
        return False
    pooled = (before + now) / (sample + present)
    return sample * _divergence(before / sample, pooled) + present * _divergence(now / present, pooled) > _SURE


def _divergence(share: float, other: float) -> float:
    """KL divergence of two shares, in nats; ``other`` is not 0 unless ``share`` is, nor 1."""
    yes = share * math.log(share / other) if share else 0.0
    return yes + ((1 - share) * math.log((1 - share) / (1 - other)) if share < 1 else 0.0)
