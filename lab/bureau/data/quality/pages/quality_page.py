"""Renders the quality page: one file, both languages, without a script; nothing outside it is loaded.

``lab.terms.text.styled_page`` escapes every value and allows the page's own style sheet alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.bureau.data.quality.assessment import Assessment, CheckResult
from lab.bureau.data.quality.department_ranking import DepartmentRank
from lab.bureau.data.quality.kept_assessments import KeptAssessment
from lab.bureau.data.quality.rules import QualityDimension
from lab.terms.text.styled_page import render_styled_page

_MOST_OF_HISTORY = 36
VERDICTS = {
    "pass": ("可发布", "may be published"),
    "warn": ("可发布，有告警", "may be published, with warnings"),
    "block": ("不得发布", "must not be published"),
    "failed": ("未能执行", "did not run"),
    "not-applicable": ("不适用", "nothing to check"),
}


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """A point of the chart: its place in a drawing of 600 by 120."""

    x: float
    y: float
    day: str
    score: float


def render_quality_page(
    assessment: Assessment,
    sha256: str,
    bureau: str,
    ranks: Sequence[DepartmentRank],
    history: Sequence[KeptAssessment],
) -> str:
    """The page as text. ``history``: assessments in order, that of the page among them; those after it are left out."""
    points = draw_history(history, assessment.day)
    return render_styled_page(
        __package__,
        "quality.html.j2",
        "quality.css",
        bureau=bureau,
        found=assessment,
        sha256=sha256,
        ranks=ranks,
        points=points,
        line=" ".join(f"{point.x},{point.y}" for point in points),
        told=[check for check in assessment.checks if check.level in ("warn", "block", "failed")],
        dimensions=list(QualityDimension),
        verdicts=VERDICTS,
        share=describe_share,
    )


def draw_history(history: Sequence[KeptAssessment], day: str) -> list[HistoryPoint]:
    """The points of the scores until ``day``, the last 36 days that were assessed, oldest first."""
    by_day = {one.day: one.score for one in history if one.score is not None and one.day <= day}
    scores = [(name, score) for name, score in sorted(by_day.items()) if score is not None][-_MOST_OF_HISTORY:]
    step = 560 / max(len(scores) - 1, 1)
    return [
        HistoryPoint(round(20 + place * step, 1), round(110 - score, 1), name, score)
        for place, (name, score) in enumerate(scores)
    ]


def describe_share(check: CheckResult) -> str:
    """What was found: the share of faults, or the index of a check of stability."""
    if check.level == "failed":
        return check.reason
    if check.measure is not None:
        return f"PSI +{check.measure:.2f}"
    share = check.faults / check.checked if check.checked else 0.0
    return f"{check.faults:,} / {check.checked:,} ({share:.2%})"
