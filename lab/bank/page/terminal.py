"""A portrait drawn in a terminal: grade, score, dimensions as bars, reasons."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from models.portrait import DimensionPart, Portrait, Reason

_BAR = 24
_MOST_REASONS = 8
_BAND_STYLES = {"strong": "green", "good": "cyan", "watch": "yellow", "weak": "red"}


def draw_terminal(portrait: Portrait) -> RenderableType:
    """What ``rich`` prints."""
    return Panel(
        Group(_head(portrait), Text(), _dimensions(portrait), Text(), _reasons(portrait)),
        title=f"企业信用画像 Enterprise credit portrait · {portrait.enterprise}",
        subtitle=f"{portrait.model} · 合同 contract {portrait.provenance.contract}",
        padding=(1, 2),
        width=100,
    )


def _head(portrait: Portrait) -> RenderableType:
    share = (portrait.score - portrait.score_low) / (portrait.score_high - portrait.score_low)
    place = round(share * 40)
    line = Text(f"{portrait.score_low} ", style="dim")
    line.append("━" * place, style="cyan")
    line.append("◆", style="bold")
    line.append("─" * (40 - place), style="dim")
    line.append(f" {portrait.score_high}", style="dim")
    words = Text()
    words.append(f" {portrait.score} ", style="bold reverse")
    words.append(f"  {portrait.grade}", style="bold")
    words.append(f"  违约概率 PD {portrait.pd:.2%}")
    if portrait.near_cutoff:
        words.append("  紧邻等级界线 next to a grade bound", style="yellow")
    return Group(words, Text(), line)


def _dimensions(portrait: Portrait) -> Table:
    table = Table.grid(padding=(0, 2))
    for part in portrait.dimensions:
        table.add_row(f"{part.zh} {part.en}", *_level(part))
    return table


def _level(part: DimensionPart) -> tuple[Text, str, Text]:
    if part.value is None:
        return Text("·" * _BAR, style="dim"), "—", Text(f"{part.band_zh} {part.band_en}", style="dim")
    filled = round(part.value / 100 * _BAR)
    style = _BAND_STYLES.get(part.band or "", "white")
    bar = Text("█" * filled, style=style)
    bar.append("░" * (_BAR - filled), style="dim")
    return bar, f"{part.value:.0f}", Text(f"{part.band_zh} {part.band_en}", style=style)


def _reasons(portrait: Portrait) -> Table:
    table = Table.grid(padding=(0, 2))
    shown: tuple[Reason, ...] = portrait.reasons[:_MOST_REASONS]
    for reason in shown:
        style = "red" if reason.adverse else "green"
        number = Text(f"{reason.points:+.0f}" if reason.points else "", style=style, justify="right")
        table.add_row(number, Text(f"{reason.zh}\n{reason.en}"))
    if len(portrait.reasons) > len(shown):
        table.add_row("", Text(f"另有 {len(portrait.reasons) - len(shown)} 项 more", style="dim"))
    return table
