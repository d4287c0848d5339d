"""What a trial says on the terminal: at most thirty lines; the page and ``--verbose`` have the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from lab.simulation.trial.phases import PHASE_LABELS
from lab.simulation.trial.report import MODEL_LABELS, TrialReport, format_bytes, format_rate
from lab.terms.text.bilingual import BilingualText, join_languages

_MOST_VERDICT, _MOST_NOTES = 6, 4


def draw_models(report: TrialReport) -> Table:
    """How well each model ranks, without frames."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("区分能力 discrimination", overflow="fold")
    for column in ("AUC", "KS"):
        table.add_column(column, justify="right", overflow="fold")
    for name, (zh, en) in MODEL_LABELS.items():
        row = (format_rate(report.metrics.auc.get(name)), format_rate(report.metrics.ks.get(name)))
        table.add_row(f"{zh} {en}", *row, style="bold green" if name == "encrypted" else "")
    return table


def summarise_trial(report: TrialReport, phases: Mapping[str, float]) -> list[str]:
    """What was counted, where the time went, the verdict and what to note, a line each.

    ``phases``: seconds by phase, and their total.
    """
    facts = report.facts
    error, sizes = facts["max_abs_score_error"], [format_bytes(facts[name]) for name in ("bytes_up", "bytes_down")]
    steps = [f"{PHASE_LABELS[name][0]} {name} {phases[name]:.1f}" for name in PHASE_LABELS if name in phases]
    lines = [
        f"求交命中 matched {facts['matched']:,} · 试点 pilot {facts['pilot']:,} · "
        f"密文评分 scored {facts['scored']:,} · "
        f"搁置 set aside {facts['set_aside_bureau']:,} + {facts['set_aside_bank']:,}",
        f"密文与明文最大差 largest difference {'–' if error is None else f'{error:.1e}'} · "
        f"密文列 columns {facts['columns']:,} · 上行 up {sizes[0]} · 下行 down {sizes[1]}",
        f"用时 seconds: {' + '.join(steps)} = 合计 total {phases['total']:.1f}",
        *_some("结论 verdict", report.verdict, _MOST_VERDICT),
    ]
    return lines + _some("注意 note", [one for one in report.warnings if one not in report.verdict], _MOST_NOTES)


def _some(label: str, texts: Sequence[BilingualText], most: int) -> list[str]:
    """The first texts, one a line, and how many more the page has."""
    lines = [f"{label} · {join_languages(zh, en)}" for zh, en in texts[:most]]
    more = len(texts) - most
    return [*lines, f"{label} · 另有 {more:,} 条，见网页 {more:,} more on the page"] if more > 0 else lines
