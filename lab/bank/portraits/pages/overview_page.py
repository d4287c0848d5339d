"""A run as a page: how the portfolio scored, which rows were not scored and why, and what was sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from lab.bank.portraits.pages.portrait_page import Language, format_percent, label_lines
from lab.bank.portraits.pages.rendering import render
from lab.bank.portraits.pages.svg_charts import (
    ACCENT,
    BAD,
    HAIRLINE,
    Axis,
    colour_swatch,
    grade_columns,
    histogram,
    radar_chart,
    share_bar,
)
from lab.bank.portraits.scored_run import ScoredRun
from lab.bank.runs.results import RowStatus
from lab.terms.identifiers import RejectionReason
from lab.terms.text.bilingual import split_bilingual
from models.shared.dimensions import DIMENSIONS

_BIN = 20  # points in a column of the histogram
_STATUS: tuple[tuple[RowStatus, str, str, str], ...] = (
    (RowStatus.SCORED, "已评分", "scored", ACCENT),
    (RowStatus.SKIPPED, "匹配未评分", "matched, not scored", "#8fa9b8"),
    (RowStatus.NOT_RESCORED, "未能重评", "not scored again", "#cfc48d"),
    (RowStatus.NOT_MATCHED, "未匹配", "not matched", HAIRLINE),
    (RowStatus.SET_ASIDE, "搁置", "set aside", BAD),
)
_SECONDS: tuple[tuple[str, str, str], ...] = (
    ("match", "隐私求交", "matching"),
    ("encrypt", "加密", "encryption"),
    ("score", "等待密文评分", "waiting for the bureau"),
    ("decrypt", "解密", "decryption"),
    ("total", "总计", "total"),
)


def overview_page(scored_run: ScoredRun, *, lang: Language = "both") -> str:
    """The page as text."""
    manifest = scored_run.run.manifest
    return render(
        "overview.html.j2",
        lang=lang,
        manifest=manifest,
        warnings=[split_bilingual(warning) for warning in scored_run.warnings],
        **_score_figures(scored_run),
        radar=_radar(scored_run, lang),
        **_status_figures(scored_run.scores),
        reasons=_reasons(scored_run.scores),
        seconds=[(zh, en, manifest["seconds"][name]) for name, zh, en in _SECONDS],
        receipts=[*manifest.get("match_receipts", []), *manifest["receipts"]],
    )


def _score_figures(scored_run: ScoredRun) -> dict[str, Any]:
    """How many enterprises were scored, and how their scores and grades are distributed."""
    outcome, scale = scored_run.outcome, scored_run.sheet.scale
    edges = np.arange(scale.low, scale.high + _BIN, _BIN)
    scored = len(outcome.score)
    median = float(np.median(outcome.score)) if scored else None
    counts = np.histogram(outcome.score, edges)[0].tolist()
    by_grade = np.bincount(outcome.grade, minlength=len(scale.grades)).tolist()
    return {
        "scored": scored,
        "median": None if median is None else round(median),
        "mean_pd": format_percent(float(outcome.pd.mean())) if scored else None,
        "near": int(outcome.near_cutoff.sum()),
        "histogram": histogram(counts, scale.low, scale.high, mark=median),
        "grades": grade_columns(scale.grades, by_grade),
    }


def _radar(scored_run: ScoredRun, lang: Language) -> Markup | None:
    """The mean of each dimension; None where the contract gives no dimensions."""
    values = scored_run.outcome.dimension_scores
    means = {code: float(np.nanmean(found)) for code, found in values.items() if _any(found)}
    if not means:
        return None
    return radar_chart([Axis(label_lines(lang, one.zh, one.en), means.get(one.code)) for one in DIMENSIONS])


def _status_figures(scores: pl.DataFrame) -> dict[str, Any]:
    """How many rows ended in each status, as a bar and as a list."""
    counts = dict(scores["status"].value_counts().iter_rows())
    return {
        "share": share_bar([(counts.get(status.value, 0), colour) for status, _, _, colour in _STATUS]),
        "statuses": [
            (colour_swatch(colour), zh, en, counts.get(status.value, 0))
            for status, zh, en, colour in _STATUS
            if status is not RowStatus.NOT_RESCORED or status.value in counts
        ],
    }


def _any(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    return bool((~np.isnan(values)).any())


def _reasons(scores: pl.DataFrame) -> list[tuple[RejectionReason, int, str]]:
    """Each reason for which rows were set aside, how many rows, and the first row numbers."""
    aside = scores.filter(pl.col("status") == RowStatus.SET_ASIDE.value)
    found = []
    for reason in RejectionReason:
        rows = aside.filter(pl.col("reason") == reason.value)["row"].to_list()
        if rows:
            first = ", ".join(str(row) for row in rows[:12]) + (" …" if len(rows) > 12 else "")
            found.append((reason, len(rows), first))
    return found
