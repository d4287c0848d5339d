"""Portraits: what the bank makes of decrypted sums. Arrays for a portfolio first, a ``Portrait`` for one enterprise.

Runs at the bank, from the sheet and the decrypted integers alone.

* score 300 to 900 and grade AAA to C from the calibrated probability of default (``models.shared.calibration``);
* each dimension 0 to 100: the share of the pilot sample that is riskier in it, so higher is safer; four bands;
* reasons: by how many score points a dimension or feature moves this enterprise from the mean (of the portfolio when
  it has at least 30 enterprises, else of the pilot sample), adverse ones first;
* within the error of a cut-off (the rounding of the reply, in the contract's steps) no side is picked: the portrait
  names every grade that the exact score may have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.text.bilingual import BilingualText
from models.shared.dimensions import DIMENSIONS
from models.shared.sheet import BankSheet, PublicItem, ReferenceDistribution, ScoreOutput

MIN_PORTFOLIO_SIZE = 30  # enterprises: of fewer the mean says little
MIN_REASON_POINTS = 0.5  # points: less would read as 0
TOTAL_OUTPUT = ScoreOutput("total", "total")
DIMENSION_BANDS: tuple[tuple[str, str, str, float], ...] = (
    ("strong", "稳健", "strong", 75.0),
    ("good", "良好", "good", 50.0),
    ("watch", "关注", "watch", 25.0),
    ("weak", "偏弱", "weak", 0.0),
)


@dataclass(frozen=True)
class PortraitProvenance:
    """Where a portrait comes from, beside the sheet: contract, parties, register version, receipt, when (ISO 8601)."""

    contract: str = ""
    contract_sha256: str = ""
    bureau: str = ""
    bank: str = ""
    register: str = ""
    receipt: str = ""
    computed_at: str = ""


@dataclass(frozen=True)
class PortfolioScores:
    """The results of a portfolio, one entry an enterprise, as arrays.

    ``raw`` float64 [rows] (log-odds of default before calibration), ``pd`` float64, ``score`` int64, ``grade`` int64
    (index into the sheet's grades); ``safest`` and ``riskiest`` int64, the first and last grade that the exact score
    may have, as it lies within ``error_bound``; ``parts``: each output's contribution in raw units, float64 [rows];
    ``dimensions``: 0 to 100 by code, empty when the contract gives no dimension subtotals; ``means``: what
    reasons compare with, in raw units, and ``compared_with`` says what that is.
    """

    raw: NDArray[np.float64]
    pd: NDArray[np.float64]
    score: NDArray[np.int64]
    grade: NDArray[np.int64]
    best_grade: NDArray[np.int64]
    worst_grade: NDArray[np.int64]
    error_bound: float
    contributions: Mapping[ScoreOutput, NDArray[np.float64]]
    dimension_scores: Mapping[str, NDArray[np.float64]]
    baseline_means: Mapping[ScoreOutput, float]
    compared_with: Literal["portfolio", "pilot"]

    @property
    def near_cutoff(self) -> NDArray[np.bool_]:
        """Whether a cut-off lies within the error: bool [rows]."""
        return np.asarray(self.best_grade != self.worst_grade)


@dataclass(frozen=True)
class PortraitDimension:
    """One dimension of a portrait. ``value`` 0 to 100 (higher is safer) and band, or None where it is not known.

    ``points``: score points against the mean (negative is adverse). ``sources``: what feeds it, in both languages.
    """

    code: str
    zh: str
    en: str
    value: float | None
    band: str | None
    band_zh: str
    band_en: str
    points: float | None
    sources: tuple[BilingualText, ...]


@dataclass(frozen=True)
class ScoreReason:
    """What moved the score, by how many ``points`` against the mean (negative is adverse), as a sentence."""

    kind: Literal["dimension", "feature", "public", "total"]
    key: str
    zh: str
    en: str
    points: float

    @property
    def adverse(self) -> bool:
        """Whether it lowers the score."""
        return self.points < 0


@dataclass(frozen=True)
class Portrait:
    """One enterprise's credit portrait. ``enterprise`` is what the caller names it by."""

    enterprise: str
    score: int
    score_low: int
    score_high: int
    pd: float
    grade: str
    possible_grades: tuple[str, ...]
    grades: tuple[str, ...]
    raw: float
    error_bound: float
    dimensions: tuple[PortraitDimension, ...]
    reasons: tuple[ScoreReason, ...]
    compared_with: Literal["portfolio", "pilot"]
    model: str
    detail: str
    items: tuple[PublicItem, ...]
    bank_inputs: tuple[BilingualText, ...]
    provenance: PortraitProvenance

    @property
    def near_cutoff(self) -> bool:
        """Whether the score lies within the error of a cut-off, so that no grade is picked."""
        return len(self.possible_grades) > 1

    @property
    def grade_text(self) -> str:
        """The grade; within the error of a cut-off every grade that may be right."""
        return " / ".join(self.possible_grades)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self) | {"near_cutoff": self.near_cutoff}


def interpret_sums(sheet: BankSheet, values: NDArray[np.int64], *, step: int = 1) -> PortfolioScores:
    """Results from decrypted sums, ``values`` int64 [outputs, rows] in the sheet's order of outputs.

    ``step``: the contract's precision in quanta, by which the error of a sum grows.

    Raises ``InvalidInput`` when there are not as many outputs as the sheet says, or when a full reply's two splits
    disagree (they add up to the same integer in an honest reply).
    """
    if values.ndim != 2 or len(values) != len(sheet.outputs):
        raise InvalidInput(
            f"Wanted {len(sheet.outputs)} outputs as the sheet says; found {len(values)}.",
            next_step="fetch the contract's sheet again",
        )
    kinds = np.asarray([output.kind for output in sheet.outputs])
    by_dimension = values[kinds == "dimension"].sum(axis=0)
    by_feature = values[(kinds == "feature") | (kinds == "public")].sum(axis=0)
    if sheet.detail is ResultDetail.FULL and not np.array_equal(by_dimension, by_feature):
        raise InvalidInput(
            "Wanted dimension and feature subtotals with the same total; found rows where they differ.",
            next_step="score the batch again, and report it to the bureau if it happens twice",
        )
    total = {ResultDetail.TOTAL: values[0], ResultDetail.FEATURES: by_feature}.get(sheet.detail, by_dimension)
    raw = total * sheet.quantum + sheet.intercept
    probability = sheet.calibration.probability(raw)
    grade, error_bound = sheet.scale.grade(probability), sheet.error_bound * step
    cutoffs = sheet.scale.cutoffs(sheet.calibration)
    parts = {output: row * sheet.quantum for output, row in zip(sheet.outputs, values, strict=True)}
    dimensions = {
        output.key: _safer_share(sheet.find_reference(output), part)
        for output, part in parts.items()
        if output.kind == "dimension"
    }
    known = {output: reference.mean for output in (TOTAL_OUTPUT, *parts) if (reference := sheet.find_reference(output))}
    large = len(raw) >= MIN_PORTFOLIO_SIZE
    own = {TOTAL_OUTPUT: raw, **{output: part for output, part in parts.items() if output != TOTAL_OUTPUT}}
    return PortfolioScores(
        raw=raw,
        pd=probability,
        score=sheet.scale.score(raw, sheet.calibration),
        grade=grade,
        best_grade=np.minimum(grade, np.searchsorted(cutoffs, raw - error_bound, side="left")),
        worst_grade=np.maximum(grade, np.searchsorted(cutoffs, raw + error_bound, side="right")),
        error_bound=error_bound,
        contributions=parts,
        dimension_scores=dimensions,
        baseline_means={output: float(part.mean()) for output, part in own.items()} if large else known,
        compared_with="portfolio" if large else "pilot",
    )


def build_portrait(
    sheet: BankSheet,
    outcome: PortfolioScores,
    row: int,
    *,
    enterprise: str = "",
    provenance: PortraitProvenance | None = None,
) -> Portrait:
    """The portrait of the enterprise at ``row`` of an outcome."""
    return Portrait(
        enterprise=enterprise,
        score=int(outcome.score[row]),
        score_low=sheet.scale.low,
        score_high=sheet.scale.high,
        pd=float(outcome.pd[row]),
        grade=sheet.scale.grades[int(outcome.grade[row])],
        possible_grades=sheet.scale.grades[int(outcome.best_grade[row]) : int(outcome.worst_grade[row]) + 1],
        grades=sheet.scale.grades,
        raw=float(outcome.raw[row]),
        error_bound=outcome.error_bound,
        dimensions=_dimension_parts(sheet, outcome, row),
        reasons=_reasons(sheet, outcome, row),
        compared_with=outcome.compared_with,
        model=str(sheet.ref),
        detail=str(sheet.detail),
        items=sheet.items,
        bank_inputs=tuple(
            (sheet.features[b.feature].label_zh, sheet.features[b.feature].label_en) for b in sheet.binnings
        ),
        provenance=provenance or PortraitProvenance(),
    )


def find_dimension_band(value: float) -> tuple[str, str, str]:
    """Code and words (Chinese, English) of the band of a dimension's value, 0 to 100."""
    return next((code, zh, en) for code, zh, en, least in DIMENSION_BANDS if value >= least or least == 0.0)


def _safer_share(reference: ReferenceDistribution | None, part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percent of the pilot sample that is riskier, ties counted half: float64 [rows] in 0 to 100."""
    if reference is None:
        return np.full(len(part), np.nan)
    quantiles = np.asarray(reference.quantiles)
    low = np.searchsorted(quantiles, part, side="left").astype(np.float64)
    high = np.searchsorted(quantiles, part, side="right").astype(np.float64)
    inside = (low == high) & (low > 0) & (low < len(quantiles))
    at = np.clip(low, 1, len(quantiles) - 1).astype(np.int64)
    step = np.where(inside, quantiles[at] - quantiles[at - 1], 1.0)
    between = at - 1 + (part - quantiles[at - 1]) / step
    rank = np.where(inside, between, 0.5 * (low + high - 1.0))  # a tie spans ranks low to high - 1
    return np.asarray(100.0 - np.clip(rank, 0.0, 100.0))


def _points(sheet: BankSheet, outcome: PortfolioScores, row: int, output: ScoreOutput) -> float | None:
    part = outcome.raw if output == TOTAL_OUTPUT else outcome.contributions.get(output)
    mean = outcome.baseline_means.get(output)
    if part is None or mean is None:
        return None
    return sheet.scale.point_change(float(part[row]) - mean, sheet.calibration)


def _dimension_parts(sheet: BankSheet, outcome: PortfolioScores, row: int) -> tuple[PortraitDimension, ...]:
    asked = [sheet.features[binning.feature] for binning in sheet.binnings]
    parts = []
    for dimension in DIMENSIONS:
        share = outcome.dimension_scores.get(dimension.code)
        value = None if share is None or np.isnan(share[row]) else float(share[row])
        code, zh, en = find_dimension_band(value) if value is not None else (None, "未提供", "not given")
        sources = [(item.zh, item.en) for item in sheet.items if item.dimension == dimension.code]
        sources += [(f.label_zh, f.label_en) for f in asked if f.dimension == dimension.code]
        points = _points(sheet, outcome, row, ScoreOutput("dimension", dimension.code))
        parts.append(
            PortraitDimension(dimension.code, dimension.zh, dimension.en, value, code, zh, en, points, tuple(sources))
        )
    return tuple(parts)


def _reasons(sheet: BankSheet, outcome: PortfolioScores, row: int) -> tuple[ScoreReason, ...]:
    words = _output_words(sheet)
    reasons = []
    for output in sheet.outputs:
        points = _points(sheet, outcome, row, output)
        if points is not None and abs(points) >= MIN_REASON_POINTS:
            zh, en = words[output]
            size = round(abs(points))
            verb, way = ("拉低", "lower") if points < 0 else ("提高", "higher")
            unit = "point" if size == 1 else "points"
            reasons.append(
                ScoreReason(
                    output.kind,
                    output.key,
                    f"{zh} {verb}评分 {size} 分",
                    f"{en}: {size} {unit} {way}",
                    points,
                )
            )
    if sheet.detail is ResultDetail.TOTAL:
        text = ("合同仅提供总分，不含分项原因", "The contract gives totals only, so no reasons in parts")
        reasons.append(ScoreReason("total", "detail", *text, 0.0))
    # Adverse ones first, each group by size.
    return tuple(sorted(reasons, key=lambda reason: (not reason.adverse, -abs(reason.points))))


def _output_words(sheet: BankSheet) -> dict[ScoreOutput, BilingualText]:
    words = {ScoreOutput("dimension", dimension.code): (dimension.zh, dimension.en) for dimension in DIMENSIONS}
    words |= {ScoreOutput("feature", feature.name): (feature.label_zh, feature.label_en) for feature in sheet.features}
    words[ScoreOutput("public", "public")] = ("公共数据合计", "Public records together")
    words[TOTAL_OUTPUT] = ("与平均水平相比", "Compared with the mean, this enterprise")
    return words
