"""The trial's report: one self-contained HTML page in Chinese and English, with its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from lab.simulation.trial.charts import (
    BAD,
    CURVE_STYLES,
    GOOD,
    bar_chart,
    curve_swatch,
    roc_chart,
    score_histogram,
    stacked_bar,
)
from lab.simulation.trial.columns import TrialColumns
from lab.simulation.trial.dictionaries import DimensionInputs
from lab.simulation.trial.phases import PHASE_LABELS, STEP_LABELS
from lab.simulation.trial.score_metrics import DiscriminationMetrics
from lab.tables.cells.reading import KIND_LABELS
from lab.terms.text.bilingual import BilingualText
from lab.terms.text.styled_page import make_visible

MODEL_LABELS: Mapping[str, BilingualText] = {
    "encrypted": ("联合模型，密文评分", "joint model, encrypted scores"),
    "plain": ("同一模型，明文评分", "the same model in clear"),
    "free": ("不受约束的联合模型，明文", "unconstrained joint model, in clear"),
    "bureau_only": ("仅数据局数据", "bureau's data alone"),
    "bank_only": ("仅银行数据", "bank's data alone"),
}
FIGURE_LABELS: Mapping[str, BilingualText] = {
    "rows_bureau": ("数据局文件行数", "rows of the bureau's file"),
    "rows_bank": ("银行文件行数", "rows of the bank's file"),
    "matched": ("求交命中", "matched"),
    "joined": ("明文合并行数", "joined in clear"),
    "pilot": ("试点样本", "pilot sample"),
    "scored": ("密文评分户数", "scored in encrypted form"),
    "auc_encrypted": ("AUC，密文", "AUC, encrypted"),
    "auc_plain": ("AUC，同一模型明文", "AUC, same model in clear"),
    "auc_plain_free": ("AUC，无约束明文", "AUC, unconstrained in clear"),
    "auc_bureau_only": ("AUC，仅数据局", "AUC, bureau alone"),
    "auc_bank_only": ("AUC，仅银行", "AUC, bank alone"),
    "ks_encrypted": ("KS，密文", "KS, encrypted"),
    "max_abs_score_error": ("密文与明文最大差", "largest difference from plain scores"),
    "columns": ("密文列数", "ciphertext columns"),
    "bytes_up": ("上行字节", "bytes up"),
    "bytes_down": ("下行字节", "bytes down"),
    "peak_rss_bureau": ("数据局内存峰值", "bureau's peak memory"),
    "peak_rss_bank": ("银行内存峰值", "bank's peak memory"),
    "engine": ("求交引擎", "matching engine"),
    "parameters": ("同态参数", "parameters"),
    "model": ("模型", "model"),
    "interactions": ("交互", "interactions"),
}
MAX_WORDS = 12
"""Items of a dimension that the report names for each party; the others are counted."""
_BYTES = {"bytes_up", "bytes_down", "peak_rss_bureau", "peak_rss_bank"}


@dataclass(frozen=True)
class TrialReport:
    """The content of the report. ``facts``: the trial's JSON object; ``scores``: [rows], on the 300 to 900 scale."""

    facts: Mapping[str, Any]
    metrics: DiscriminationMetrics
    scores: NDArray[np.float64]
    labels: NDArray[np.int8]
    row_outcomes: Sequence[tuple[str, int]]
    set_aside: Sequence[tuple[str, str, str, int]]
    dimensions: Sequence[DimensionInputs] = ()
    columns: TrialColumns = field(default_factory=TrialColumns)
    warnings: Sequence[BilingualText] = ()
    verdict: Sequence[BilingualText] = ()
    made_at: datetime = field(default_factory=lambda: datetime.now().astimezone())


def write_report(report: TrialReport, path: Path) -> Path:
    """Write the HTML page. It loads nothing from elsewhere and runs no script."""
    environment = Environment(
        loader=PackageLoader("lab.simulation.trial", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=make_visible,
    )
    page = environment.get_template("report.html.j2").render(**_page_values(report), **_page_charts(report))
    path.write_text(page, encoding="utf-8")
    return path


def _page_values(report: TrialReport) -> dict[str, Any]:
    """The texts and figures of the page, by their names in the template."""
    facts = report.facts
    return {
        "facts": facts,
        "made_at": report.made_at.strftime("%Y-%m-%d %H:%M"),
        "heads": _headline_figures(facts),
        "models": [
            {
                "zh": zh,
                "en": en,
                "swatch": curve_swatch(CURVE_STYLES[name]),
                "main": name == "encrypted",
                "auc": format_rate(report.metrics.auc.get(name)),
                "ks": format_rate(report.metrics.ks.get(name)),
            }
            for name, (zh, en) in MODEL_LABELS.items()
        ],
        "exact": _exactness_text(facts),
        "set_aside": [
            {"side": side, "zh": zh, "en": en, "count": f"{count:,}"} for side, zh, en, count in report.set_aside
        ],
        "dimensions": report.dimensions,
        "columns": report.columns.parties,
        "kinds": KIND_LABELS,
        "most_words": MAX_WORDS,
        "warnings": [line for line in report.warnings if line not in report.verdict],
        "verdict": [{"zh": zh, "en": en, "loud": (zh, en) in report.warnings} for zh, en in report.verdict],
        "figures": [
            {"zh": FIGURE_LABELS[key][0], "key": key, "value": format_figure(key, facts[key])} for key in FIGURE_LABELS
        ],
        "version": _version(),
    }


def _page_charts(report: TrialReport) -> dict[str, Any]:
    """The charts of the page and their colours, by their names in the template."""
    facts, phases = report.facts, report.facts["phases"]
    return {
        "roc": roc_chart(report.metrics.curves),
        "distribution": score_histogram(report.scores, report.labels) if len(report.scores) else "",
        "good": GOOD,
        "bad": BAD,
        "seconds": bar_chart(
            [
                (f"{zh} {en}", float(phases[name]), f"{phases[name]:.2f} s", "#0b6b63")
                for name, (zh, en) in PHASE_LABELS.items()
                if name in phases
            ],
            label=330,
        ),
        "steps": [
            {"zh": STEP_LABELS[step][0], "en": STEP_LABELS[step][1], "seconds": f"{value:.2f} s"}
            for step, value in facts["seconds"].items()
        ],
        "volumes": _size_bars(facts, ("bytes_up", "bytes_down"), "#4f7f9b"),
        "memory": _size_bars(facts, ("peak_rss_bureau", "peak_rss_bank"), "#9fb0b7"),
        "flow": stacked_bar(
            [
                (name, count, colour)
                for (name, count), colour in zip(report.row_outcomes, _FLOW_COLOURS, strict=False)
                if count or name == report.row_outcomes[0][0]
            ]
        ),
    }


def _size_bars(facts: Mapping[str, Any], keys: Sequence[str], colour: str) -> Markup:
    return bar_chart(
        [(" ".join(FIGURE_LABELS[key]), float(facts[key] or 0), format_bytes(facts[key]), colour) for key in keys]
    )


_FLOW_COLOURS = ("#0b6b63", "#8fb8b3", "#b9c4c9", "#dfe4e6", "#b98317")


def format_rate(value: float | None, digits: int = 4) -> str:
    """A rate for a reader; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def format_bytes(count: float | None) -> str:
    """Bytes for a reader, in powers of 1,000; a dash for None."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def format_figure(key: str, value: Any) -> str:
    """A figure of ``FIGURE_LABELS`` for a reader."""
    if key in _BYTES:
        return format_bytes(value)
    if key == "max_abs_score_error":
        return "–" if value is None else f"{value:.2e}"
    if isinstance(value, float) or value is None:
        return format_rate(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headline_figures(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    joint, bank = facts["auc_encrypted"], facts["auc_bank_only"]
    gain = "–" if joint is None or bank is None else f"{joint - bank:+.4f}"
    return [
        {"value": format_rate(joint), "zh": "密文评分 AUC", "en": "AUC, encrypted scores"},
        {"value": gain, "zh": "较仅用银行数据", "en": "compared with the bank's data alone"},
        {"value": f"{facts['matched']:,}", "zh": "求交命中企业", "en": "enterprises matched"},
        {"value": f"{facts['phases']['total']:.0f} s", "zh": "全程用时", "en": "total time"},
    ]


def _exactness_text(facts: Mapping[str, Any]) -> dict[str, str]:
    gap = facts["max_abs_score_error"]
    if gap is None:
        return {"zh": "没有可比较的评分。", "en": "There were no scores to compare."}
    zh, en = _auc_text(facts["auc_encrypted"], facts["auc_plain"])
    return {
        "zh": f"对 {facts['scored']:,} 户逐户比较：密文评分与明文评分的原始分最大相差 {gap:.2e}；"
        f"{zh}。差异只来自取整，与加密无关。",
        "en": f"Of {facts['scored']:,} enterprises, compared one by one, the raw scores differ by at most "
        f"{gap:.2e}; {en}. The difference comes only from rounding, not from encryption.",
    }


def _auc_text(encrypted: float | None, plain: float | None) -> BilingualText:
    """What two AUCs have in common. Rounding reorders scores that are nearly equal, so the fifth digit may differ."""
    if encrypted is None or plain is None:
        return "无法计算 AUC", "the AUCs cannot be computed"
    if encrypted == plain:
        return f"AUC 同为 {encrypted:.6f}", f"both AUCs are {encrypted:.6f}"
    words = f"{encrypted:.6f}", f"{plain:.6f}", f"{abs(encrypted - plain):.1e}"
    if f"{encrypted:.4f}" == f"{plain:.4f}":
        return (
            f"AUC 到第四位小数相同（{words[0]} 与 {words[1]}，相差 {words[2]}）",
            f"the AUCs are equal to four digits ({words[0]} and {words[1]}, {words[2]} apart)",
        )
    return (
        f"AUC 分别为 {words[0]} 与 {words[1]}，相差 {words[2]}",
        f"the AUCs are {words[0]} and {words[1]}, {words[2]} apart",
    )


def _version() -> str:
    try:
        return version("shulab")
    except PackageNotFoundError:
        return ""
