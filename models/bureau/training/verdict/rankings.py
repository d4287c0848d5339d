"""How well a score ranks defaults above the others, and how often chance alone would rank as well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import norm

_LARGEST_TILT = 1e4  # of ranks between 0 and 1; no bound that matters needs more


@dataclass(frozen=True)
class Ranking:
    """Rows in groups of one score, the lowest first: ``bad`` and ``good``, float64 [groups], count the defaults and the
    others of each.
    """

    bad: NDArray[np.float64]
    good: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """The area under the receiver operating characteristic, ties counting half. Both classes must have rows."""
        below = np.cumsum(self.good) - 0.5 * self.good
        return float(self.bad @ below / (self.bad.sum() * self.good.sum()))

    @property
    def reversed(self) -> Ranking:
        """The same groups, the highest first."""
        return Ranking(self.bad[::-1], self.good[::-1])

    def chance(self) -> float:
        """The probability, rather too large than too small, that defaults drawn by lot rank at least as well; 1 for an
        AUC of one half and below, and for rows of one class.

        Perfect ranks: exact. Otherwise the smaller of the normal tail of Mann and Whitney (1947), with the variance
        without ties, which is the largest, and the bound of Hoeffding (Journal of the American Statistical Association
        58, 1963, sections 2 and 6) for the mean rank of rows drawn without replacement, which holds for few defaults
        and for ties. In samples of a dozen rows the normal tail may be half of the probability.
        """
        bad, good = float(self.bad.sum()), float(self.good.sum())
        if not bad or not good or (auc := self.auc) <= 0.5:
            return 1.0
        if auc >= 1.0 - 1e-12:
            ways = math.lgamma(bad + good + 1) - math.lgamma(bad + 1) - math.lgamma(good + 1)
            return math.exp(-ways)
        error = math.sqrt((bad + good + 1) / (12.0 * bad * good))
        return min(float(norm.sf((auc - 0.5) / error)), self._mean_rank_bound())

    def _mean_rank_bound(self) -> float:
        """Of the rarer class, whose ranks are drawn: e to the power of its rows times the least cumulant."""
        drawn, rows = self.bad, self.bad + self.good
        if self.bad.sum() > self.good.sum():  # the good rows rank as low as the bad ones rank high
            drawn, rows = self.good[::-1], rows[::-1]
        middle = (np.cumsum(rows) - 0.5 * rows) / rows.sum()
        mean, logs = float(drawn @ middle / drawn.sum()), np.log(rows / rows.sum())

        def cumulant(tilt: float) -> float:
            return float(logsumexp(logs + tilt * (middle - mean)))

        least = minimize_scalar(cumulant, bounds=(0.0, _LARGEST_TILT), method="bounded").fun
        return math.exp(min(float(drawn.sum()) * float(least), 0.0))


def rank_rows(
    scores: NDArray[np.float64],
    bad: NDArray[np.int64] | NDArray[np.float64],
    good: NDArray[np.int64] | NDArray[np.float64],
) -> Ranking:
    """The ranking of ``scores``, float64 [n], each the score of ``bad`` defaults and ``good`` others, [n]."""
    distinct, places = np.unique(scores, return_inverse=True)
    bads, goods = (
        np.bincount(places, weights=part, minlength=len(distinct)).astype(np.float64) for part in (bad, good)
    )
    some = bads + goods > 0
    return Ranking(bads[some], goods[some])
