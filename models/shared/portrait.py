"""Portraits: the credit portrait of one enterprise, computed at the bank from the sheet and ``PortfolioScores``.

* Each dimension is 0 to 100, in four bands.
* A reason is the number of score points by which a dimension or feature moves this enterprise from the mean (of the
  portfolio if it has at least 30 enterprises, else of the pilot sample). Adverse reasons come first. A portrait has all
  reasons; ``models.shared.reasons`` cuts lists for readers.
* If a cut-off is within the error of the score (the rounding of the reply, in the contract's steps), the portrait names
  every grade that the exact score may have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lab.terms.contract.document import ResultDetail
from lab.terms.text.bilingual import BilingualText
from models.shared.dimensions import DIMENSIONS
from models.shared.portfolio_scores import PortfolioScores
from models.shared.reasons import ReasonList, ScoreReason, cut_reasons, reason_sentence, round_together
from models.shared.sheet import PUBLIC_OUTPUT, TOTAL_OUTPUT, BankSheet, PublicItem, ScoreOutput

SPLITS: tuple[tuple[str, ...], ...] = (("dimension",), ("feature", "public"), ("total",))
"""The kinds of outputs that split a score; the parts of a split add up to the same total."""
DIMENSION_BANDS: tuple[tuple[str, str, str, float], ...] = (
    ("strong", "稳健", "strong", 75.0),
    ("good", "良好", "good", 50.0),
    ("watch", "关注", "watch", 25.0),
    ("weak", "偏弱", "weak", 0.0),
)


@dataclass(frozen=True)
class PortraitProvenance:
    """The origin of a portrait, beside the sheet: contract, parties, register version, receipt, time (ISO 8601).

    ``register_days``: versions of the register that the scores come from, each with the day as of which its records
    were computed (ISO 8601); without those whose day is not known.
    """

    contract: str = ""
    contract_sha256: str = ""
    bureau: str = ""
    bank: str = ""
    register: str = ""
    receipt: str = ""
    computed_at: str = ""
    register_days: tuple[tuple[str, str], ...] = ()

    @property
    def describe_days(self) -> str:
        """The days, for people: one day, or each version with its own; empty if none is known."""
        days = [day for _, day in self.register_days]
        if len(days) == 1 and self.register_days[0][0] == self.register:
            return days[0]
        return ", ".join(f"{version}: {day}" for version, day in self.register_days)


@dataclass(frozen=True)
class PortraitDimension:
    """One dimension of a portrait. ``value``: 0 to 100, higher is safer; None, as ``band``, if it is not known.

    ``points``: score points against the mean (negative is adverse); ``whole_points``: rounded as in the reasons.
    ``sources``: items and features of the dimension, in both languages.
    """

    code: str
    zh: str
    en: str
    value: float | None
    band: str | None
    band_zh: str
    band_en: str
    points: float | None
    whole_points: int | None
    sources: tuple[BilingualText, ...]


@dataclass(frozen=True)
class Portrait:
    """One enterprise's credit portrait. ``enterprise``: the caller's name for it.

    ``points``: score points against the mean, before the score is limited to the scale; None if no mean is known.
    """

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
    points: float | None
    reasons: tuple[ScoreReason, ...]
    compared_with: Literal["portfolio", "pilot"]
    model: str
    detail: str
    items: tuple[PublicItem, ...]
    bank_inputs: tuple[BilingualText, ...]
    provenance: PortraitProvenance

    @property
    def near_cutoff(self) -> bool:
        """Whether a cut-off is within the error of the score, so that several grades are possible."""
        return len(self.possible_grades) > 1

    @property
    def grade_text(self) -> str:
        """The possible grades, joined by a slash."""
        return " / ".join(self.possible_grades)

    def list_reasons(self, *kinds: str, limit: int) -> ReasonList:
        """The ``limit`` largest reasons of some kinds, and what the others add up to."""
        return cut_reasons([reason for reason in self.reasons if reason.kind in kinds], limit)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self) | {"near_cutoff": self.near_cutoff}


def build_portrait(
    sheet: BankSheet,
    scores: PortfolioScores,
    row: int,
    *,
    enterprise: str = "",
    provenance: PortraitProvenance | None = None,
) -> Portrait:
    """The portrait of the enterprise at ``row`` of a portfolio."""
    points = _points(sheet, scores, row, TOTAL_OUTPUT)
    parts = _split_points(sheet, scores, row, points)
    return Portrait(
        enterprise=enterprise,
        score=int(scores.score[row]),
        score_low=sheet.scale.low,
        score_high=sheet.scale.high,
        pd=float(scores.pd[row]),
        grade=sheet.scale.grades[int(scores.grade[row])],
        possible_grades=sheet.scale.grades[int(scores.best_grade[row]) : int(scores.worst_grade[row]) + 1],
        grades=sheet.scale.grades,
        raw=float(scores.raw[row]),
        error_bound=scores.error_bound,
        dimensions=_dimension_parts(sheet, scores, row, parts),
        points=points,
        reasons=_reasons(sheet, parts),
        compared_with=scores.compared_with,
        model=str(sheet.ref),
        detail=str(sheet.detail),
        items=sheet.items,
        bank_inputs=tuple(
            (sheet.features[b.feature].label_zh, sheet.features[b.feature].label_en) for b in sheet.binnings
        ),
        provenance=provenance or PortraitProvenance(),
    )


def find_dimension_band(value: float) -> tuple[str, str, str]:
    """The band of a dimension's value, 0 to 100: code, Chinese name, English name."""
    return next((code, zh, en) for code, zh, en, least in DIMENSION_BANDS if value >= least or least == 0.0)


def _points(sheet: BankSheet, scores: PortfolioScores, row: int, output: ScoreOutput) -> float | None:
    part = scores.raw if output == TOTAL_OUTPUT else scores.contributions.get(output)
    mean = scores.baseline_means.get(output)
    if part is None or mean is None:
        return None
    return sheet.scale.point_change(float(part[row]) - mean, sheet.calibration)


def _split_points(
    sheet: BankSheet, scores: PortfolioScores, row: int, total: float | None
) -> dict[ScoreOutput, tuple[float, int]]:
    """The points of each output whose mean is known, exact and whole; the whole ones of every split have one total."""
    exact = {output: found for output in sheet.outputs if (found := _points(sheet, scores, row, output)) is not None}
    parts: dict[ScoreOutput, tuple[float, int]] = {}
    for kinds in SPLITS:
        split = [output for output in exact if output.kind in kinds]
        whole = round_together([exact[output] for output in split], total)
        parts |= {output: (exact[output], rounded) for output, rounded in zip(split, whole, strict=True)}
    return parts


def _dimension_parts(
    sheet: BankSheet, scores: PortfolioScores, row: int, points: Mapping[ScoreOutput, tuple[float, int]]
) -> tuple[PortraitDimension, ...]:
    used = [sheet.features[binning.feature] for binning in sheet.binnings]
    parts = []
    for dimension in DIMENSIONS:
        share = scores.dimension_scores.get(dimension.code)
        value = None if share is None or np.isnan(share[row]) else float(share[row])
        code, zh, en = find_dimension_band(value) if value is not None else (None, "未提供", "not given")
        sources = [(item.zh, item.en) for item in sheet.items if item.dimension == dimension.code]
        sources += [(f.label_zh, f.label_en) for f in used if f.dimension == dimension.code]
        exact, whole = points.get(ScoreOutput("dimension", dimension.code), (None, None))
        words = (dimension.code, dimension.zh, dimension.en)
        parts.append(PortraitDimension(*words, value, code, zh, en, exact, whole, tuple(sources)))
    return tuple(parts)


def _reasons(sheet: BankSheet, points: Mapping[ScoreOutput, tuple[float, int]]) -> tuple[ScoreReason, ...]:
    words = _output_words(sheet)
    reasons = [
        ScoreReason(
            output.kind,
            output.key,
            *reason_sentence(words[output], whole),
            exact,
            whole,
            causes=_causes(sheet, output) if exact < 0 else (),
        )
        for output, (exact, whole) in points.items()
    ]
    if sheet.detail is ResultDetail.TOTAL:
        text = ("合同仅提供总分，不含分项原因", "The contract gives totals only, so no reasons in parts")
        reasons.append(ScoreReason("total", "detail", *text, 0.0, 0, note=True))
    # Adverse reasons first, each group by size.
    return tuple(sorted(reasons, key=lambda reason: (not reason.adverse, -abs(reason.points))))


def _causes(sheet: BankSheet, output: ScoreOutput) -> tuple[BilingualText, ...]:
    """What the public items behind an output say when they lower the score; the same for every enterprise."""
    items = [
        item for item in sheet.items if output == PUBLIC_OUTPUT or output == ScoreOutput("dimension", item.dimension)
    ]
    return tuple(dict.fromkeys((item.reason_zh, item.reason_en) for item in items if item.reason_zh and item.reason_en))


def _output_words(sheet: BankSheet) -> dict[ScoreOutput, BilingualText]:
    words = {ScoreOutput("dimension", dimension.code): (dimension.zh, dimension.en) for dimension in DIMENSIONS}
    words |= {ScoreOutput("feature", feature.name): (feature.label_zh, feature.label_en) for feature in sheet.features}
    words[PUBLIC_OUTPUT] = ("公共数据合计", "Public records together")
    words[TOTAL_OUTPUT] = ("与平均水平相比", "Compared with the mean, this enterprise")
    return words
