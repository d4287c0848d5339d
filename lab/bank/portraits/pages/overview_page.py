"""A run as a page: how the portfolio scored, what was not scored and why, what went over the wire."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

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
from models.shared.dimensions import DIMENSIONS

_BIN = 20  # points a column of the histogram
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
    manifest, outcome, sheet = scored_run.run.manifest, scored_run.outcome, scored_run.sheet
    counts = dict(scored_run.scores["status"].value_counts().iter_rows())
    score = outcome.score
    edges = np.arange(sheet.scale.low, sheet.scale.high + _BIN, _BIN)
    scored = len(score)
    means = {code: float(np.nanmean(values)) for code, values in outcome.dimension_scores.items() if _any(values)}
    context: dict[str, Any] = {
        "lang": lang,
        "manifest": manifest,
        "scored": scored,
        "median": round(float(np.median(score))) if scored else None,
        "mean_pd": format_percent(float(outcome.pd.mean())) if scored else None,
        "near": int(outcome.near_cutoff.sum()),
        "histogram": histogram(
            np.histogram(score, edges)[0].tolist(),
            sheet.scale.low,
            sheet.scale.high,
            mark=float(np.median(score)) if scored else None,
        ),
        "grades": grade_columns(
            sheet.scale.grades, np.bincount(outcome.grade, minlength=len(sheet.scale.grades)).tolist()
        ),
        "radar": radar_chart([Axis(label_lines(lang, d.zh, d.en), means.get(d.code)) for d in DIMENSIONS])
        if means
        else None,
        "share": share_bar([(counts.get(status.value, 0), colour) for status, _, _, colour in _STATUS]),
        "statuses": [
            (colour_swatch(colour), zh, en, counts.get(status.value, 0))
            for status, zh, en, colour in _STATUS
            if status is not RowStatus.NOT_RESCORED or status.value in counts
        ],
        "reasons": _reasons(scored_run.scores),
        "seconds": [(zh, en, manifest["seconds"][name]) for name, zh, en in _SECONDS],
        "receipts": [*manifest.get("match_receipts", []), *manifest["receipts"]],
    }
    return render("overview.html.j2", **context)


def _any(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    return bool((~np.isnan(values)).any())


def _reasons(scores: pl.DataFrame) -> list[tuple[RejectionReason, int, str]]:
    """Each reason for setting rows aside, how many, and the first row numbers."""
    aside = scores.filter(pl.col("status") == RowStatus.SET_ASIDE.value)
    found = []
    for reason in RejectionReason:
        rows = aside.filter(pl.col("reason") == reason.value)["row"].to_list()
        if rows:
            first = ", ".join(str(row) for row in rows[:12]) + (" …" if len(rows) > 12 else "")
            found.append((reason, len(rows), first))
    return found
