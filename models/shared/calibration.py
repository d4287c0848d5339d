"""From a raw score (log-odds of default, higher is riskier) to a probability, a score in points and a grade.

Both maps are fixed at training, are public constants of a model, and travel in the sheet. Platt's sigmoid gives the
probability of default. Points follow from the odds by the usual points-to-double-the-odds rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.shared.canonical_json import STRICT_CONFIG, require

GRADES: tuple[str, ...] = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC", "CC", "C")
# Upper bounds of the probability of default of all grades but the last; each is about twice the one before.
GRADE_BOUNDS: tuple[float, ...] = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.40)


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: P(default) = 1 / (1 + exp(-(slope * raw + offset))), slope > 0."""

    slope: float
    offset: float

    __pydantic_config__ = STRICT_CONFIG

    def probability(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of default in [0, 1], shape as ``raw``."""
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (self.slope * raw + self.offset))), dtype=np.float64)

    def raw_score(self, probability: float) -> float:
        """The raw score whose probability of default is ``probability`` (0 < p < 1)."""
        return (math.log(probability / (1.0 - probability)) - self.offset) / self.slope


@dataclass(frozen=True)
class ScoreScale:
    """Points: ``anchor`` at good:bad odds of ``odds`` to 1, ``double`` more for twice the odds, within low and high.

    With the defaults a PD of 4.8 % is 600 points, 1.2 % is 680, 33 % is 467.
    """

    anchor: float = 600.0
    odds: float = 20.0
    double: float = 40.0
    low: int = 300
    high: int = 900
    grades: Annotated[tuple[str, ...], Field(max_length=20)] = GRADES
    bounds: Annotated[tuple[float, ...], Field(max_length=19)] = GRADE_BOUNDS

    __pydantic_config__ = STRICT_CONFIG

    def score(self, raw: NDArray[np.float64], calibration: Calibration) -> NDArray[np.int64]:
        """Points, whole numbers in [low, high], shape as ``raw``; higher is safer."""
        log_odds_good = -(calibration.slope * raw + calibration.offset)
        points = self.anchor + (log_odds_good - math.log(self.odds)) * self.double / math.log(2.0)
        return np.rint(np.clip(points, self.low, self.high)).astype(np.int64)

    def point_change(self, raw_change: float, calibration: Calibration) -> float:
        """The change of the score, before clipping, for a change of the raw score; riskier is negative."""
        return -calibration.slope * raw_change * self.double / math.log(2.0)

    def grade(self, probability: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index into ``grades``, shape as ``probability``; a probability equal to a bound has the better grade."""
        return np.searchsorted(np.asarray(self.bounds), probability, side="left").astype(np.int64)

    def cutoffs(self, calibration: Calibration) -> NDArray[np.float64]:
        """Raw scores at which the grade changes, ascending (riskier)."""
        return np.asarray([calibration.raw_score(bound) for bound in self.bounds], dtype=np.float64)


def check_scale(calibration: Calibration, scale: ScoreScale, *, of: str) -> None:
    """Raise ``InvalidInput`` unless calibration and scale are usable; ``of`` names their document."""
    require(calibration.slope > 0, "a calibration of positive slope", of=of)
    require(scale.odds > 0 and scale.double > 0 and 0 <= scale.low < scale.high <= 10_000, "a usable scale", of=of)
    require(len(scale.grades) == len(scale.bounds) + 1, "one grade more than grade bounds", of=of)
    ordered = all(a < b for a, b in zip(scale.bounds, scale.bounds[1:], strict=False))
    require(ordered and all(0 < b < 1 for b in scale.bounds), "ascending grade bounds between 0 and 1", of=of)
