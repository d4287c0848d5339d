"""Help texts without truncation.

Where ``rich`` strips trailing blanks it measures a line in characters, not in cells. So a Chinese line that just fits
keeps its blank, counts as too long, and loses its last letters to an ellipsis. Here columns wrap instead.
"""

from __future__ import annotations

from rich.console import RenderableType
from rich.style import StyleType
from rich.table import Table


class _FoldingTable(Table):
    def add_row(
        self, *renderables: RenderableType | None, style: StyleType | None = None, end_section: bool = False
    ) -> None:
        super().add_row(*renderables, style=style, end_section=end_section)
        for column in self.columns:
            column.overflow = "fold"


def disable_help_truncation() -> None:
    """Wrap columns in help from now on. Call it only when help is asked for, since it loads slowly."""
    import rich.columns
    from typer import rich_utils

    for drawing in (rich_utils, rich.columns):
        drawing.Table = _FoldingTable  # type: ignore[attr-defined]
