"""Tables of text on a terminal: no character is lost, and no identifier is broken over two lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from lab.terms.text.escaping import VisibleText, escape_hidden

_UNBROKEN = re.compile(r"[!-~]+")
"""A word without Chinese: broken, it could not be copied or compared."""
_MAX_UNBROKEN_WIDTH = 72
"""Widest word or column that is kept unbroken, in cells of the screen: a hash of 64 figures fits into 80 columns."""
_MINIMUM_COLUMN_WIDTH = 4
"""Narrowest column, in cells of the screen. In fewer than two, ``rich`` drops wide characters."""


class TerminalTable:
    """A table of text in which no identifier is broken. Where the screen is too narrow for that, a list of rows.

    A line is broken between words, and inside Chinese; a word of Latin letters, figures and marks (a contract's id, a
    credit code, a hash) stays whole up to ``_MAX_UNBROKEN_WIDTH``.
    """

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], whole: str) -> None:
        self._title, self._whole = Text(escape_hidden(title)), whole
        self._columns = [escape_hidden(column) for column in columns]
        self._rows = [
            [Text(escape_hidden(str(cell)) if not isinstance(cell, VisibleText) else cell) for cell in row]
            for row in rows
        ]

    def __rich_console__(self, console: Any, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - 3 * len(self._columns) - 1  # without frames and padding
        least = [self._least_width(position) for position in range(len(self._columns))]
        if room < sum(least):
            yield self._title
            for row in self._rows:
                yield from self._list_row(row)
            return
        natural = [max(cell.cell_len for cell in self._cells(at)) for at in range(len(self._columns))]
        table = Table(title=self._title, title_justify="left", header_style="bold")
        for column, width in zip(self._columns, _share_width(natural, least, room), strict=True):
            table.add_column(Text(column), overflow="fold", width=width)
        for row in self._rows:
            table.add_row(*row)
        yield table

    def _cells(self, position: int) -> list[Text]:
        return [Text(self._columns[position]), *(row[position] for row in self._rows)]

    def _least_width(self, position: int) -> int:
        """The narrowest that a column may be, in cells of the screen."""
        cells = self._cells(position)
        if self._columns[position] == self._whole and max(cell.cell_len for cell in cells) <= _MAX_UNBROKEN_WIDTH:
            return max(cell.cell_len for cell in cells)
        words = (word.end() - word.start() for cell in cells for word in _UNBROKEN.finditer(cell.plain))
        return max(_MINIMUM_COLUMN_WIDTH, *(width for width in words if width <= _MAX_UNBROKEN_WIDTH), 0)

    def _list_row(self, row: Sequence[Text]) -> Iterator[Text]:
        for column, cell in zip(self._columns, row, strict=True):
            yield Text.assemble((column, "bold"), ": ", cell, overflow="fold")
        yield Text()


def _share_width(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns that fit into ``room``, none below ``least``: the widest are narrowed first."""
    widths = [max(pair) for pair in zip(natural, least, strict=True)]
    while sum(widths) > room:
        widest = max((at for at in range(len(widths)) if widths[at] > least[at]), key=lambda at: widths[at])
        widths[widest] -= 1
    return widths


def make_terminal_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, whole: str = ""
) -> TerminalTable:
    """A table that shows every character of its cells; long text is wrapped, never cut."""
    return TerminalTable(title, columns, rows, whole)
