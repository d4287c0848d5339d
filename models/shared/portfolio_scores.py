"""Scores of a portfolio, as arrays: what a bank makes of decrypted sums with the sheet.

The score is 300 to 900 and the grade AAA to C, from the calibrated probability of default. A dimension is 0 to 100: the
share of the pilot sample that is riskier in it, so higher is safer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.shared.sheet import TOTAL_OUTPUT, BankSheet, ReferenceDistribution, ScoreOutput

MIN_PORTFOLIO_SIZE = 30  # the mean of fewer enterprises says little


@dataclass(frozen=True)
class PortfolioScores:
    """The results of a portfolio, one entry for each enterprise."""

    raw: NDArray[np.float64]
    """float64 [rows]: log-odds of default before calibration."""
    pd: NDArray[np.float64]
    """float64 [rows]: the probability of default."""
    score: NDArray[np.int64]
    """int64 [rows]: points."""
    grade: NDArray[np.int64]
    """int64 [rows]: index into the sheet's grades."""
    best_grade: NDArray[np.int64]
    """int64 [rows]: the best grade that the exact score may have, which is within ``error_bound`` of ``raw``."""
    worst_grade: NDArray[np.int64]
    """int64 [rows]: the worst one."""
    error_bound: float
    """The largest error of ``raw``."""
    contributions: Mapping[ScoreOutput, NDArray[np.float64]]
    """Each output in raw units, float64 [rows]."""
    dimension_scores: Mapping[str, NDArray[np.float64]]
    """0 to 100 by dimension code, float64 [rows]; empty if the contract gives no dimension subtotals."""
    baseline_means: Mapping[ScoreOutput, float]
    """The means with which reasons compare, in raw units."""
    compared_with: Literal["portfolio", "pilot"]
    """Whose means they are."""

    @property
    def near_cutoff(self) -> NDArray[np.bool_]:
        """Whether a cut-off is within the error: bool [rows]."""
        return np.asarray(self.best_grade != self.worst_grade)


def interpret_sums(sheet: BankSheet, sums: NDArray[np.int64], *, step: int = 1) -> PortfolioScores:
    """The scores from decrypted ``sums``, int64 [outputs, rows], in the sheet's order of outputs.

    ``step``: the contract's precision in quanta, by which the error of a sum grows. Raises ``InvalidInput`` for another
    number of outputs than the sheet's, or if the two splits of a full reply disagree: in an honest reply they add up to
    the same integer.
    """
    raw = np.asarray(_total(sheet, sums) * sheet.quantum + sheet.intercept, dtype=np.float64)
    probability = sheet.calibration.probability(raw)
    grade, error_bound = sheet.scale.grade(probability), sheet.error_bound * step
    cutoffs = sheet.scale.cutoffs(sheet.calibration)
    contributions = {output: row * sheet.quantum for output, row in zip(sheet.outputs, sums, strict=True)}
    means = _portfolio_means(raw, contributions) if len(raw) >= MIN_PORTFOLIO_SIZE else None
    return PortfolioScores(
        raw=raw,
        pd=probability,
        score=sheet.scale.score(raw, sheet.calibration),
        grade=grade,
        best_grade=np.minimum(grade, np.searchsorted(cutoffs, raw - error_bound, side="left")),
        worst_grade=np.maximum(grade, np.searchsorted(cutoffs, raw + error_bound, side="right")),
        error_bound=error_bound,
        contributions=contributions,
        dimension_scores={
            output.key: _safer_share(sheet.find_reference(output), part)
            for output, part in contributions.items()
            if output.kind == "dimension"
        },
        baseline_means=_pilot_means(sheet) if means is None else means,
        compared_with="pilot" if means is None else "portfolio",
    )


def _total(sheet: BankSheet, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of all outputs of one split, int64 [rows]."""
    if sums.ndim != 2 or len(sums) != len(sheet.outputs):
        raise InvalidInput(
            f"Expected {len(sheet.outputs)} outputs as the sheet says; found {len(sums)}.",
            next_step="fetch the contract's sheet again",
        )
    kinds = np.asarray([output.kind for output in sheet.outputs])
    by_dimension = sums[kinds == "dimension"].sum(axis=0)
    by_feature = sums[(kinds == "feature") | (kinds == "public")].sum(axis=0)
    if sheet.detail is ResultDetail.FULL and not np.array_equal(by_dimension, by_feature):
        raise InvalidInput(
            "Expected dimension and feature subtotals with the same total; found rows where they differ.",
            next_step="score the batch again, and report it to the bureau if it happens twice",
        )
    totals = {ResultDetail.TOTAL: sums[0], ResultDetail.FEATURES: by_feature}
    return np.asarray(totals.get(sheet.detail, by_dimension))


def _portfolio_means(
    raw: NDArray[np.float64], contributions: Mapping[ScoreOutput, NDArray[np.float64]]
) -> dict[ScoreOutput, float]:
    own = {TOTAL_OUTPUT: raw, **{output: part for output, part in contributions.items() if output != TOTAL_OUTPUT}}
    return {output: float(part.mean()) for output, part in own.items()}


def _pilot_means(sheet: BankSheet) -> dict[ScoreOutput, float]:
    outputs = (TOTAL_OUTPUT, *sheet.outputs)
    return {output: reference.mean for output in outputs if (reference := sheet.find_reference(output))}


def _safer_share(reference: ReferenceDistribution | None, part: NDArray[np.float64]) -> NDArray[np.float64]:
    """The percentage of the pilot sample that is riskier, with ties counted half: float64 [rows], 0 to 100."""
    if reference is None:
        return np.full(len(part), np.nan)
    quantiles = np.asarray(reference.quantiles)
    low = np.searchsorted(quantiles, part, side="left").astype(np.float64)
    high = np.searchsorted(quantiles, part, side="right").astype(np.float64)
    inside = (low == high) & (low > 0) & (low < len(quantiles))
    at = np.clip(low, 1, len(quantiles) - 1).astype(np.int64)
    step = np.where(inside, quantiles[at] - quantiles[at - 1], 1.0)
    between = at - 1 + (part - quantiles[at - 1]) / step
    rank = np.where(inside, between, 0.5 * (low + high - 1.0))  # a tie covers the ranks low to high - 1
    return np.asarray(100.0 - np.clip(rank, 0.0, 100.0))
