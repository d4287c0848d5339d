"""What a trial says on the terminal: at most thirty lines; the page and ``--verbose`` have the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.simulation.trial.dictionaries import DimensionInputs
from lab.simulation.trial.phases import PHASE_LABELS, STEP_LABELS
from lab.simulation.trial.report import (
    FIGURE_LABELS,
    MAX_WORDS,
    MODEL_LABELS,
    TrialReport,
    format_bytes,
    format_figure,
    format_rate,
)
from lab.terms.text.bilingual import BilingualText, join_languages
from lab.terms.text.escaping import escape_hidden

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


def draw_report(report: TrialReport) -> RenderableType:
    """The report's figures for a terminal."""
    facts = report.facts
    models = Table(title="区分能力 discrimination", title_justify="left", header_style="bold")
    models.add_column("模型 model", overflow="fold")
    for column in ("AUC", "KS"):
        models.add_column(column, justify="right", overflow="fold")
    for name, (zh, en) in MODEL_LABELS.items():
        style = "bold green" if name == "encrypted" else ""
        row = (format_rate(report.metrics.auc.get(name)), format_rate(report.metrics.ks.get(name)))
        models.add_row(Text(f"{zh} {en}"), *row, style=style)
    figures = Table(title="数字 figures", title_justify="left", show_header=False)
    figures.add_column(overflow="fold")
    figures.add_column(justify="right", overflow="fold")
    for key, (zh, en) in FIGURE_LABELS.items():
        if not key.startswith("auc_"):
            figures.add_row(f"{zh} {en}", Text(escape_hidden(format_figure(key, facts[key]))))
    for step, seconds in facts["seconds"].items():
        figures.add_row(" ".join(STEP_LABELS[step]), f"{seconds:.2f} s")
    figures.add_row("合计 total", f"{facts['phases']['total']:.1f} s")
    notes = [
        Text(escape_hidden(f"搁置 set aside · {side}: {count:,} 行 rows: {zh} {en}"))
        for side, zh, en, count in report.set_aside
    ]
    notes += [
        Text(escape_hidden(f"注意 note · {join_languages(zh, en)}"), style="yellow")
        for zh, en in report.warnings
        if (zh, en) not in report.verdict
    ]
    notes += [
        Text(
            escape_hidden(f"结论 verdict · {join_languages(zh, en)}"),
            style="bold red" if (zh, en) in report.warnings else "bold",
        )
        for zh, en in report.verdict
    ]
    return Group(models, figures, _dimension_table(report.dimensions), *notes)


def _dimension_table(dimensions: Sequence[DimensionInputs]) -> Table:
    table = Table(title="画像维度的数据项 what each dimension reads", title_justify="left", header_style="bold")
    for column in ("维度 dimension", "数据局 bureau", "银行 bank"):
        table.add_column(column, overflow="fold")
    for one in dimensions:
        table.add_row(f"{one.zh} {one.en}", _word_list(one.bureau), _word_list(one.bank))
    return table


def _word_list(words: Sequence[BilingualText]) -> Text:
    """Some words of one party, one a line, and how many more there are."""
    lines = [escape_hidden(join_languages(zh, en)) for zh, en in words[:MAX_WORDS]]
    more = len(words) - MAX_WORDS
    return Text("\n".join([*lines, f"另 {more:,} 项 more"] if more > 0 else lines) or "—")


def _some(label: str, texts: Sequence[BilingualText], most: int) -> list[str]:
    """The first texts, one a line, and how many more the page has."""
    lines = [f"{label} · {join_languages(zh, en)}" for zh, en in texts[:most]]
    more = len(texts) - most
    return [*lines, f"{label} · 另有 {more:,} 条，见网页 {more:,} more on the page"] if more > 0 else lines
