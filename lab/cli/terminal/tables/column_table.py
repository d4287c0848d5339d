"""The table that says how each column was read: the same for imports, training, trials, plans and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.cli.terminal.output import CommandOutput
from lab.tables.cells.column_kinds import ColumnSummary
from lab.tables.cells.reading import KIND_LABELS


@dataclass(frozen=True)
class ColumnLine:
    """One line of the table; counts are of cells."""

    name: str
    kind: str
    levels: str
    missing: int
    unreadable: int
    notes: str


def summary_lines(summaries: Iterable[ColumnSummary]) -> list[ColumnLine]:
    """The lines of columns as a reader found them."""
    return [
        ColumnLine(
            one.name,
            one.kind,
            one.levels_text,
            one.missing,
            one.unreadable,
            "; ".join(" ".join(note.text) for note in one.notes),
        )
        for one in summaries
    ]


def show_columns(output: CommandOutput, title: str, lines: Sequence[ColumnLine]) -> None:
    """Show the table, and below it what a person should know of columns; nothing without columns."""
    if not lines:
        return
    levels = any(line.levels for line in lines)
    head = ["列 column", "类型 kind", *(["取值 levels"] if levels else []), "缺失 missing", "无法读取 unreadable"]
    output.table(
        title,
        head,
        [
            [
                line.name,
                KIND_LABELS.get(line.kind, line.kind),
                *([line.levels] if levels else []),
                f"{line.missing:,}",
                f"{line.unreadable:,}",
            ]
            for line in lines
        ],
    )
    for line in lines:
        if line.notes:
            output.say(f"{line.name}: {line.notes}")
