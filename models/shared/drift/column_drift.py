"""How far the values of a column are from those of the sample on which a model was trained.

Three things can grow: the share of cells without a value, the share of categories that the training did not have or
hardly had, and the share of numbers in the lowest or in the highest bin, where a change of unit moves nearly all. The
stability index shows the rest; it is measured over all values, and over those that are not zero alone, because a change
of unit moves no zero. A change counts when it is larger than chance would make it (``share_changes``). Fewer than 20
rows never stop a job: they cannot show that a whole column changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lab.terms.errors import InvalidInput
from lab.terms.text.bilingual import BilingualText
from models.shared.drift.column_profiles import SMALLEST_COUNT, ColumnProfile, count_rows
from models.shared.drift.share_changes import LEAST_ROWS, stability_index, surely_grew
from models.shared.features import MAX_CATEGORIES, Feature

WATCH_INDEX, STOP_INDEX = 0.25, 1.0
WATCH_SHARE, STOP_SHARE = 0.05, 0.25
WATCH_EXTREME, STOP_EXTREME = 0.25, 0.5
OUTLIER_SHARE: Final = 0.05
"""Of the values; fewer outliers are ordinary in many rows, and not told."""
OUTLIER_RANGES: Final = 30.0
"""Of ordinary amounts (logarithms with a deviation of 2) about one value in 1,000 lies so far out."""
DriftLevel = Literal["stable", "watch", "stop"]


@dataclass(frozen=True)
class ColumnDrift:
    """How far a column is from its profile. Shares are of rows: ``unseen`` those in categories that were rare in the
    profile's sample or not in it. ``extreme`` is of values that are not zero: those in the lowest or in the highest
    bin, if that surely grew. ``index``: None for too few rows; ``chance``: its 99.9th percentile by chance alone.
    ``level``: whether a person should look (``watch``) or must agree (``stop``).
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
            zh.append(f"非零值中 {now} 处于训练时最低（或最高）的一段，训练时 {before}")
            en.append(f"{now} of values that are not zero as low (or high) as {before} were in training")
        if self.index is not None and self.index - self.chance >= WATCH_INDEX:
            zh.append(f"分布变化 PSI {self.index:.2f}")
            en.append(f"distribution moved, PSI {self.index:.2f}")
        return "；".join(zh), "; ".join(en)


def measure_drift(feature: Feature, profile: ColumnProfile, values: NDArray[np.float64]) -> ColumnDrift:
    """How far encoded ``values``, float64 [rows], are from a profile."""
    rows = len(values)
    present = values[~np.isnan(values)]
    now, then = (np.asarray(counts, float) for counts in (count_rows(feature, profile.edges, present), profile.counts))
    missing = _Share(
        _possible(profile.missing, rows - len(present), (profile.rows, rows)), profile.rows, rows - len(present), rows
    )
    hidden = profile.rows - profile.missing - float(then.sum())
    unseen, extreme = _Share(0, profile.rows, 0, rows), _Share(0, 0, 0, 0)
    if feature.kind == "categorical":
        rare, then, now_pooled = _pool_rare(profile, now, rows)
        unseen = max(rare, _unknown(profile, now, rows), key=lambda share: share.sure_growth)
        tables = [(then, now_pooled), rare.table]
    else:
        extreme = _extremes(then, now)
        tables = [_pool_empty(then, now, hidden), _pool_empty(then[1:], now[1:], hidden)]
    tables[0] = np.append(tables[0][0], missing.before), np.append(tables[0][1], missing.now)
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
        missing_before=profile.missing / max(profile.rows, 1),
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

    Fewer than ``OUTLIER_SHARE`` count as none. The middle lies between the first and the last edge of the profile;
    0 without two edges.
    """
    if profile is None or len(profile.edges) < 2:
        return 0
    low, high = profile.edges[0], profile.edges[-1]
    width = OUTLIER_RANGES * (high - low)
    present = values[~np.isnan(values)]
    found = int(((present < low - width) | (present > high + width)).sum())
    return found if found >= OUTLIER_SHARE * len(present) else 0


def require_acceptable_drift(found: Sequence[ColumnDrift], *, accepted: bool) -> None:
    """Raise ``InvalidInput`` naming the columns that are too far from their profiles, unless a person accepted that."""
    far = [drift for drift in found if drift.level == "stop"]
    if far and not accepted:
        listed = "; ".join(f"{drift.name}: {drift.text[1]}" for drift in far[:10])
        raise InvalidInput(
            f"Expected columns like those that the model was trained on; found {len(far)} far from them ({listed}).",
            next_step="correct the columns (unit, spelling, blanks), or say --accept-drift if the data are right",
        )


def _possible(shown: float, now: float, rows: tuple[float, float]) -> float:
    """The rows of a bin then: as shown; if 0 is shown, of none to four the number most like now. ``rows``: of both."""
    return shown or min(SMALLEST_COUNT - 1.0, now * rows[0] / max(rows[1], 1))


@dataclass(frozen=True)
class _Share:
    """A share then and now, in rows. ``clump``: rows that are in or out of the share together, as those of one
    category are; their number is what chance depends on."""

    before: float
    sample: float
    now: float
    rows: float
    clump: float = 1.0

    @property
    def share_before(self) -> float:
        return self.before / max(self.sample, 1)

    @property
    def share(self) -> float:
        return self.now / max(self.rows, 1)

    @property
    def table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows in the share and not in it, then and now."""
        then = np.array([self.before, self.sample - self.before]) / self.clump
        return then, np.array([self.now, self.rows - self.now])

    @property
    def sure_growth(self) -> float:
        """By how much the share grew; 0 unless by more than chance would make it."""
        sure = surely_grew(self.before / self.clump, self.sample / self.clump, self.now, self.rows)
        return self.share - self.share_before if sure else 0.0


def _unknown(profile: ColumnProfile, now: NDArray[np.float64], rows: int) -> _Share:
    """The share of categories that were not in the sample, if it had no more of them than the profile.

    In another sample they are as many as those seen once here (Good, as below): at most so many of the ``few``
    categories of one to four rows can be of one row, if together they have ``hidden``. Their last may be other ones.
    """
    if profile.counts[-1]:
        return _Share(0, profile.rows, 0, rows)
    few = sum(count == 0 for count in profile.counts[:-1])
    hidden = profile.rows - profile.missing - sum(profile.counts)
    once = min(few, max((4 * few - hidden) / 3, 0.0))
    return _Share(SMALLEST_COUNT - 1.0 + once, profile.rows, float(now[-1]), rows)


def _pool_rare(
    profile: ColumnProfile, now: NDArray[np.float64], rows: int
) -> tuple[_Share, NDArray[np.float64], NDArray[np.float64]]:
    """The share of rare and unknown categories; then, and now, the rows of each other category and of those together.

    The sample itself chose what is rare, so rows there are fewer than in another sample of the same population. Rows of
    categories seen at most r times in n rows are expected to be as many as those that fall, in n other rows, into
    categories seen fewer than r times (Good, *Biometrika* 40, 1953). If the sample also chose the most frequent
    categories, those as frequent as the last of them are counted like the rare ones.
    """
    counts = np.asarray(profile.counts[:-1], dtype=np.float64)
    shown = counts > 0
    chosen = len(counts) == MAX_CATEGORIES and shown.all() and profile.counts[-1] > 0
    limit = max(float(SMALLEST_COUNT), counts.min()) if chosen else float(SMALLEST_COUNT)
    present = float(profile.rows - profile.missing)
    frequent = counts[shown]
    # What is shown as 0 may be up to four rows, which were added to the largest count.
    rare = max(present - frequent.sum(), SMALLEST_COUNT - 1.0) + frequent[frequent <= limit].sum()
    rare = min(rare, present)
    few = counts <= limit
    clump = max(float((present - profile.counts[-1] - counts[~few].sum()) / max(few.sum(), 1)), 1.0)
    rare_now = float(now[-1] + now[:-1][~shown].sum())
    share = _Share(rare, profile.rows, rare_now, rows, clump)
    scale = (present - rare) / frequent.sum() if len(frequent) else 0.0
    return share, np.append(frequent * scale, rare), np.append(now[:-1][shown], rare_now)


def _pool_empty(
    then: NDArray[np.float64], now: NDArray[np.float64], hidden: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both with the bins that the profile shows as 0 as one bin; ``hidden``: how many rows those had, 0 for few."""
    shown = then > 0
    if shown.all():
        return then, now
    pooled = float(now[~shown].sum())
    return np.append(then[shown], _possible(hidden, pooled, (then.sum(), now.sum()))), np.append(now[shown], pooled)


def _extremes(then: NDArray[np.float64], now: NDArray[np.float64]) -> _Share:
    """The share of the lowest bin, of the highest or of both, whichever grew most, among values that are not zero. A
    change of unit moves nearly all values there, which few of them suffice to show.
    """
    before, after = float(then[1:].sum()), float(now[1:].sum())
    if len(then) < 3:
        return _Share(0, 0, 0, 0)
    lowest, highest = (_possible(float(then[end]), float(now[end]), (before, after)) for end in (1, -1))
    ends = [
        _Share(lowest, before, float(now[1]), after),
        _Share(highest, before, float(now[-1]), after),
        _Share(lowest + highest, before, float(now[1] + now[-1]), after),
    ]
    return max(ends, key=lambda end: end.share - end.share_before)
