"""The league table of owner departments, as a bureau uses it in its review of a year.

Of one assessment, or of a year: then of each month the last assessment counts, whatever was assessed how often, and a
department's figures are the means over the months in which it has a score. Days late are the most of any month; periods
late and missing, warnings and blocks are those of the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from lab.bureau.data.quality.assessment import Assessment, DepartmentScore
from lab.bureau.data.quality.assessment.scoring import mean_score
from lab.bureau.data.quality.kept_assessments import KeptAssessment
from lab.bureau.data.quality.rules import QualityDimension
from lab.terms.text.bilingual import BilingualText

CLASSES: Sequence[tuple[float, BilingualText]] = (
    (95.0, ("优秀", "excellent")),
    (85.0, ("良好", "good")),
    (70.0, ("合格", "fair")),
    (0.0, ("不合格", "poor")),
)
"""Least score of each class."""
NO_CLASS: BilingualText = ("无数据", "no data")


@dataclass(frozen=True, slots=True)
class DepartmentRank:
    """One row of the league table. ``place``: equal scores share one; None, as ``score``, without records. ``change``:
    of the score since the assessment before; None without one. ``months``: assessments that the score is the mean of.
    """

    place: int | None
    zh: str
    en: str
    domains: tuple[str, ...]
    grade: BilingualText
    score: float | None
    change: float | None
    dimensions: Mapping[str, float]
    records: int
    late_days: int
    late_periods: int
    missing_periods: int
    warnings: int
    blocks: int
    months: int


def last_of_each_month(kept: Sequence[KeptAssessment], year: int) -> list[KeptAssessment]:
    """Of the year's assessments in order (``list_kept``), the last for each month of their days."""
    months = {one.day[:7]: one for one in kept if one.day[:4] == f"{year:04d}"}
    return [months[month] for month in sorted(months)]


def rank_departments(counted: Sequence[Assessment], before: Assessment | None = None) -> list[DepartmentRank]:
    """The league table over assessments in order of their days; ``before``: with which scores are compared."""
    owners = dict.fromkeys((one.zh, one.en) for assessment in counted for one in assessment.departments)
    earlier = {(one.zh, one.en): one.score for one in before.departments} if before else {}
    rows = [_rank(owner, _scores_of(owner, counted), earlier.get(owner)) for owner in owners]
    rows.sort(key=lambda row: (row.score is None, -(row.score or 0.0)))
    scores = [row.score for row in rows]
    return [replace(row, place=None if row.score is None else scores.index(row.score) + 1) for row in rows]


def tabulate_ranks(ranks: Sequence[DepartmentRank]) -> pl.DataFrame:
    """The league table as a table for spreadsheets, with headings in both languages."""
    columns: dict[str, list[object]] = {
        "名次 place": [one.place for one in ranks],
        "部门": [one.zh for one in ranks],
        "department": [one.en for one in ranks],
        "等次 class": [" ".join(one.grade) for one in ranks],
        "得分 score": [one.score for one in ranks],
        "变化 change": [one.change for one in ranks],
        **{
            f"{dimension.zh} {dimension.en}": [one.dimensions.get(dimension.value) for one in ranks]
            for dimension in QualityDimension
        },
        "记录数 records": [one.records for one in ranks],
        "最长迟送天数 days late": [one.late_days for one in ranks],
        "迟送期数 periods late": [one.late_periods for one in ranks],
        "缺期数 periods missing": [one.missing_periods for one in ranks],
        "告警 warnings": [one.warnings for one in ranks],
        "阻断 blocks": [one.blocks for one in ranks],
        "评估月数 months": [one.months for one in ranks],
        "领域 domains": [", ".join(one.domains) for one in ranks],
    }
    return pl.DataFrame(columns, strict=False)


def _rank(owner: BilingualText, found: Sequence[DepartmentScore], before: float | None) -> DepartmentRank:
    last, score = found[-1], mean_score(one.score for one in found)
    names = dict.fromkeys(name for one in found for name in one.dimensions)
    means = {name: mean_score(one.dimensions.get(name) for one in found) for name in names}
    return DepartmentRank(
        place=None,
        zh=owner[0],
        en=owner[1],
        domains=last.domains,
        grade=NO_CLASS if score is None else next(words for least, words in CLASSES if score >= least),
        score=score,
        change=None if score is None or before is None else round(score - before, 2),
        dimensions={name: mean for name, mean in means.items() if mean is not None},
        records=last.records,
        late_days=max(one.late_days for one in found),
        late_periods=last.late_periods,
        missing_periods=last.missing_periods,
        warnings=last.warnings,
        blocks=last.blocks,
        months=sum(one.score is not None for one in found),
    )


def _scores_of(owner: BilingualText, counted: Sequence[Assessment]) -> list[DepartmentScore]:
    return [one for assessment in counted for one in assessment.departments if (one.zh, one.en) == owner]
