"""Help of which nothing is cut.

``rich`` measures a line by its characters where it takes blanks off the end, so a line of Chinese that just fits keeps
its blank, counts as too long, and loses its last letters to an ellipsis. The parser's tables get columns that fold.
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
    """Have help drawn so from now on; to be called where help is asked for, since its drawing is long to load."""
    import rich.columns
    from typer import rich_utils

    for drawing in (rich_utils, rich.columns):
        drawing.Table = _FoldingTable  # type: ignore[attr-defined]
