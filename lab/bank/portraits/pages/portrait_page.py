"""The portrait of one enterprise as a page, for a credit officer's screen and for printing on A4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from lab.bank.portraits.pages.rendering import render
from lab.bank.portraits.pages.svg_charts import Axis, grade_scale, level_bar, points_bar, radar_chart, score_dial
from lab.terms.text.bilingual import split_bilingual
from models.shared.portrait import Portrait, PortraitDimension
from models.shared.reasons import ReasonList, ScoreReason, causes_sentence, format_points
from models.shared.sheet import BankSheet, PublicItem

Language = Literal["zh", "en", "both"]
MAX_REASONS = 10  # of one split; the page says what the others add up to
MAX_CAUSES = 4  # beside a reason; all are under "Where each part comes from"
_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("dimension", "total"), "按维度", "by dimension"),
    (("feature", "public"), "按指标", "by feature"),
)


@dataclass(frozen=True)
class _ReasonGroup:
    zh: str
    en: str
    found: ReasonList
    reasons: tuple[tuple[ScoreReason, Markup | None], ...]
    total: str | None


@dataclass(frozen=True)
class _DimensionSources:
    part: PortraitDimension
    items: tuple[PublicItem, ...]
    own: tuple[tuple[str, str], ...]


def portrait_page(
    portrait: Portrait, sheet: BankSheet, *, lang: Language = "both", warnings: Sequence[str] = ()
) -> str:
    """The page as text.

    ``sheet``: the one that the portrait was computed with, for its grade bounds. ``warnings``: of the job that scored.
    """
    known = any(part.value is not None for part in portrait.dimensions)
    context: dict[str, Any] = {
        "lang": lang,
        "portrait": portrait,
        "warnings": [split_bilingual(warning) for warning in warnings],
        "dial": score_dial(
            portrait.score,
            portrait.score_low,
            portrait.score_high,
            score_bounds(sheet),
            label_on_one_line(lang, "评分", "score"),
        ),
        "scale": _scale(portrait, sheet),
        "pd": format_percent(portrait.pd),
        "radar": radar_chart([Axis(label_lines(lang, part.zh, part.en), part.value) for part in portrait.dimensions]),
        "known": known,
        "levels": [(part, level_bar(part.value)) for part in portrait.dimensions],
        "groups": _groups(portrait),
        "say_causes": partial(causes_sentence, limit=MAX_CAUSES),
        "sources": _sources(portrait),
        "bound_points": f"{abs(sheet.scale.point_change(portrait.error_bound, sheet.calibration)):.2g}",
    }
    return render("portrait.html.j2", **context)


def score_bounds(sheet: BankSheet) -> list[float]:
    """Scores at which the grade changes, from safest to riskiest."""
    cutoffs = sheet.scale.cutoffs(sheet.calibration)
    return [float(score) for score in sheet.scale.score(cutoffs, sheet.calibration)]


def grade_ranges(bounds: Sequence[float]) -> list[str]:
    """The range of default probability of each grade, short enough to fit under its name."""
    inner = [f"{_plain(low)}–{_plain(high)}%" for low, high in pairwise(bounds)]
    return [f"≤ {_plain(bounds[0])}%", *inner, f"> {_plain(bounds[-1])}%"] if bounds else ["0–100%"]


def format_percent(probability: float) -> str:
    """A probability for a person: three digits, and never a false zero."""
    if probability < 0.0001:
        return "< 0.01%"
    if probability > 0.9999:
        return "> 99.99%"
    return f"{probability:.2%}" if probability < 0.1 else f"{probability:.1%}"


def label_lines(lang: Language, zh: str, en: str) -> tuple[str, ...]:
    """The labels to show, one on each line."""
    if lang == "both" and zh != en:
        return (zh, en)
    return (en,) if lang == "en" else (zh,)


def label_on_one_line(lang: Language, zh: str, en: str) -> str:
    """Both labels on one line."""
    return " ".join(label_lines(lang, zh, en))


def _plain(probability: float) -> str:
    return f"{probability * 100:g}"


def _scale(portrait: Portrait, sheet: BankSheet) -> Markup:
    """The grade scale; the mark is placed by log-odds within the grade, because bounds about double at each step."""
    current = portrait.grades.index(portrait.grade)
    edges = np.concatenate([[1e-4], np.asarray(sheet.scale.bounds), [0.9999]])
    odds = np.log(edges / (1 - edges))
    pd = min(max(portrait.pd, 1e-4), 0.9999)
    low, high = odds[current], odds[current + 1]
    place = float((np.log(pd / (1 - pd)) - low) / (high - low)) if high > low else 0.5
    possible = [portrait.grades.index(grade) for grade in portrait.possible_grades]
    return grade_scale(portrait.grades, grade_ranges(sheet.scale.bounds), current, place, possible=possible)


def _groups(portrait: Portrait) -> list[_ReasonGroup]:
    largest = max((abs(reason.whole_points) for reason in portrait.reasons), default=0)
    groups = []
    for kinds, zh, en in _KINDS:
        found = portrait.list_reasons(*kinds, limit=MAX_REASONS)
        if found.shown or found.others:
            bars = [None if reason.note else points_bar(reason.whole_points, largest) for reason in found.shown]
            total = None if portrait.points is None else format_points(found.total)
            groups.append(_ReasonGroup(zh, en, found, tuple(zip(found.shown, bars, strict=True)), total))
    return groups


def _sources(portrait: Portrait) -> list[_DimensionSources]:
    sources = []
    for part in portrait.dimensions:
        items = tuple(item for item in portrait.items if item.dimension == part.code)
        # A part's sources are the bureau's items first, then what the bank itself contributes.
        sources.append(_DimensionSources(part, items, part.sources[len(items) :]))
    return [source for source in sources if source.items or source.own]
