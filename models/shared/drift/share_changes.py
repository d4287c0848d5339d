"""Whether shares changed by more than chance: the population stability index, and the growth of one share.

The index of shares p (then) and q (now) is the sum of (q - p) ln(q / p) over the bins (Siddiqi, *Credit Risk
Scorecards*, Wiley 2006). By chance alone it is about (1/n + 1/m) times a chi-squared variable (Yurdakul, Naranjo,
*Journal of Risk Model Validation* 14 (4), 2020), so its 99.9th percentile is allowed for.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS: Final = 20
"""Rows below which no index is computed."""
_SURE: Final = math.log(1_000)


def stability_index(then: NDArray[np.float64], now: NDArray[np.float64]) -> tuple[float, float] | None:
    """The index of rows by bin, float64 [bins], and its 99.9th percentile by chance; None for fewer than 20 rows."""
    bins, before, after = len(then), float(then.sum()), float(now.sum())
    if bins < 2 or before < LEAST_ROWS or after < LEAST_ROWS:
        return None
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * bins) for counts in (then, now))
    freedom = bins - 1
    # The 99.9th percentile of the chi-squared distribution (Wilson, Hilferty, PNAS 17, 1931).
    percentile = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    return float(((q - p) * np.log(q / p)).sum()), (1 / before + 1 / after) * percentile


def surely_grew(before: float, sample: float, now: float, rows: float) -> bool:
    """Whether a share, ``before`` of ``sample`` then and ``now`` of ``rows``, grew by more than chance would make it.

    The likelihood ratio of two shares against one common share, n KL(q, r) + m KL(p, r) with r of both samples
    together, exceeds log 1,000 (Wilks, *Annals of Mathematical Statistics* 9, 1938: by chance once in 5,000 times).
    """
    if not sample or not rows or now * sample <= before * rows:
        return False
    pooled = (before + now) / (sample + rows)
    return sample * _divergence(before / sample, pooled) + rows * _divergence(now / rows, pooled) > _SURE


def _divergence(share: float, other: float) -> float:
    """KL divergence of two shares, in nats; ``other`` is not 0 unless ``share`` is, nor 1."""
    yes = share * math.log(share / other) if share else 0.0
    return yes + ((1 - share) * math.log((1 - share) / (1 - other)) if share < 1 else 0.0)
