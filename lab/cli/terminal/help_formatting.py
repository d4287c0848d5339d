"""Help texts in which nothing is cut: no word is lost, and no option's name is broken over two lines.

Where ``rich`` strips trailing blanks it measures a line in characters, not in cells. So a Chinese line that just fits
keeps its blank, counts as too long, and loses its last letters to an ellipsis. Here columns wrap instead. Options whose
names and values leave too little room for their help are drawn as a list: names and values, and the help below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

_LEAST_HELP_WIDTH = 40
"""Cells of the screen that the help beside an option needs: about two short lines of Chinese and English."""
_OPTION_COLUMNS = 6
"""Columns of typer's table of options: long, short, their opposites, value, help; and one before for "required"."""
_NAME_INDENT = 2
_HELP_INDENT = 6


class _FoldingTable(Table):
    def add_row(
        self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        super().add_row(*renderables, style=style, end_section=end_section)
        for column in self.columns:
            column.overflow = "fold"


class _OptionTable(_FoldingTable):
    """A table of options or commands as typer makes it; on a narrow screen one of options becomes a list."""

    def __rich_console__(self, console: Any, options: ConsoleOptions) -> RenderResult:
        if len(self.columns) < _OPTION_COLUMNS or self._help_fits(console, options):
            yield from super().__rich_console__(console, options)
            return
        rows = zip(*(column.cells for column in self.columns), strict=True)
        yield Group(*(line for row in rows for line in _list_lines(row, options.max_width)))

    def _help_fits(self, console: Any, options: ConsoleOptions) -> bool:
        widths = [
            max((Measurement.get(console, options, cell).maximum for cell in column.cells), default=0)
            for column in self.columns[:-1]
        ]
        padding = sum(self.padding[1::2]) * len(self.columns)
        return sum(widths) + padding + _LEAST_HELP_WIDTH <= options.max_width


def _list_lines(row: tuple[RenderableType, ...], width: int) -> Iterator[RenderableType]:
    """One option: its names and value on a line of their own, then its help, indented."""
    *names, text = row
    required = names.pop(0) if len(row) > _OPTION_COLUMNS else ""
    mark = required if isinstance(required, Text) else Text(str(required))
    shown = [name for name in names if isinstance(name, Text) and name.plain]
    line = Text("  ").join(shown)
    if _NAME_INDENT + line.cell_len > width:
        line = Text("  ").join([*shown[:-1], _break_choices(shown[-1], width - _HELP_INDENT)])
    yield Text.assemble(mark, " " * (_NAME_INDENT - len(mark)), line, overflow="fold")
    yield Padding(text, (0, 0, 0, _HELP_INDENT))


def _break_choices(value: Text, width: int) -> Text:
    """The words that an option takes, over as many lines as they need, broken between words."""
    broken = Text("\n")
    used = 0
    for choice in value.split("|", include_separator=True):
        if used and used + choice.cell_len > width:
            broken.append("\n")
            used = 0
        if not used:
            broken.append(" " * _HELP_INDENT)
        broken.append_text(choice)
        used += choice.cell_len
    return broken


def disable_help_truncation() -> None:
    """Wrap columns in help from now on. Call it only when help is asked for, since it loads slowly."""
    import rich.columns
    from typer import rich_utils

    rich.columns.Table = _FoldingTable  # type: ignore[attr-defined]
    rich_utils.Table = _OptionTable  # type: ignore[attr-defined]
