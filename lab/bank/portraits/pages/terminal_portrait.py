"""A portrait drawn in a terminal: grade, score, dimensions as bars, reasons."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lab.bank.portraits.pages.portrait_page import format_percent
from lab.terms.text.escaping import escape_hidden, join_visible_lines
from models.shared.portrait import Portrait, PortraitDimension
from models.shared.reasons import causes_sentence, format_points

_BAR = 24
_TITLE = 70
_MOST_REASONS = 8
_MOST_CAUSES = 3
_BAND_STYLES = {"strong": "green", "good": "cyan", "watch": "yellow", "weak": "red"}


def draw_portrait_panel(portrait: Portrait) -> RenderableType:
    """The portrait as a panel that ``rich`` prints."""
    title = Text(escape_hidden(f"企业信用画像 Enterprise credit portrait · {portrait.enterprise}"))
    subtitle = Text(escape_hidden(f"{portrait.model} · 合同 contract {portrait.provenance.contract}"))
    # A frame would cut a title longer than itself, so such a title goes inside.
    inside = [part for words in (title, subtitle) if words.cell_len > _TITLE for part in (words, Text())]
    return Panel(
        Group(*inside, _head(portrait), Text(), _dimensions(portrait), Text(), _reasons(portrait), *_origin(portrait)),
        title=title if title.cell_len <= _TITLE else None,
        subtitle=subtitle if subtitle.cell_len <= _TITLE else None,
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
    words.append(f"  {escape_hidden(portrait.grade_text)}", style="bold")
    words.append(f"  违约概率 PD {format_percent(portrait.pd)}")
    if portrait.near_cutoff:
        words.append("  在等级界线的误差范围之内 within the error of the cut-off", style="yellow")
    return Group(words, Text(), line)


def _dimensions(portrait: Portrait) -> Table:
    table = _grid(5)
    for part in portrait.dimensions:
        table.add_row(_text(part.zh, part.en), *_level(part), _points(part.whole_points))
    return table


def _text(zh: str, en: str, style: str = "") -> Text:
    return Text(escape_hidden(f"{zh} {en}"), style=style)


def _grid(columns: int) -> Table:
    """A table without lines; long text is wrapped, never cut."""
    table = Table.grid(padding=(0, 2))
    for _ in range(columns):
        table.add_column(overflow="fold")
    return table


def _level(part: PortraitDimension) -> tuple[Text, str, Text]:
    if part.value is None:
        return Text("·" * _BAR, style="dim"), "—", _text(part.band_zh, part.band_en, style="dim")
    filled = round(part.value / 100 * _BAR)
    style = _BAND_STYLES.get(part.band or "", "white")
    bar = Text("█" * filled, style=style)
    bar.append("░" * (_BAR - filled), style="dim")
    return bar, f"{part.value:.0f}", _text(part.band_zh, part.band_en, style=style)


def _origin(portrait: Portrait) -> list[Text]:
    """Of which register version and day the scores are."""
    origin = portrait.provenance
    if not origin.register:
        return []
    days = origin.describe_days
    zh = f"登记版本 {origin.register}，" + (f"公共记录截至 {days}" if days else "截至日未知")
    en = f"Register {origin.register}, " + (f"public records as of {days}" if days else "their day is not known")
    return [Text(), Text(join_visible_lines((zh, en)), style="dim")]


def _points(points: int | None) -> Text:
    """Whole score points relative to the mean, as in the reasons."""
    if points is None:
        return Text()
    style = "dim" if not points else "red" if points < 0 else "green"
    return Text(format_points(points), style=style, justify="right")


def _reasons(portrait: Portrait) -> Table:
    """What moved the score: features where the contract gives them, because the rows above show the dimensions."""
    table = _grid(2)
    kinds = {reason.kind for reason in portrait.reasons}
    fine = ("feature", "public") if kinds & {"feature", "public"} else ("dimension", "total")
    found = portrait.list_reasons(*fine, limit=_MOST_REASONS)
    for reason in found.shown:
        points = None if reason.note else reason.whole_points
        table.add_row(_points(points), Text(join_visible_lines((reason.zh, reason.en))))
        if reason.causes:
            table.add_row("", Text(join_visible_lines(causes_sentence(reason.causes, _MOST_CAUSES)), style="dim"))
    if found.others:
        rest = f"其余 {found.others:,} 项合计 the other {found.others:,} add up to {format_points(found.rest)}"
        table.add_row(_points(found.rest), Text(rest, style="dim"))
    if portrait.points is not None:
        mean = _text("合计，与本次清单平均水平相比", "in total, compared with the mean of this portfolio")
        if portrait.compared_with == "pilot":
            mean = _text("合计，与试点样本平均水平相比", "in total, compared with the mean of the pilot sample")
        table.add_row(_points(found.total), mean)
    return table
