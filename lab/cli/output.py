"""What a command shows: progress with time left, tables for people, one JSON object for programs, errors with a next
step.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from lab.terms.errors import ShulabError
from lab.terms.progress import Stage

STAGES: dict[str, str] = {
    "generate": "生成数据 generate",
    "import": "导入登记 import",
    "evaluate": "登记求值 evaluate register",
    "seal": "封存密钥 seal",
    "train": "训练模型 train",
    "measure": "测量本机 measure",
    "wait": "等待数据局求值 bureau evaluates",
    "turn": "等待本行其他进程 other process",
    "setup": "下载匹配数据 set-up",
    "match": "隐私求交 match",
    "look-up": "查找 look up",
    "count": "隐私计数 count",
    "encrypt": "加密 encrypt",
    "score": "密文评分 score",
    "decrypt": "解密 decrypt",
    "cosign": "等待见证人联署 witnesses",
    "portrait": "画像 portraits",
    "export": "导出台账 export",
    "verify": "核验台账 verify",
    "standing": "查询合同状态 contracts",
    "tidy": "清理 tidy",
}


class _BarStage:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, units: int = 1) -> None:
        self._bars.advance(self._task, units)


class TerminalProgress:
    """Draws one bar a stage on stderr; several stages may be open at once (encrypting while the bureau scores)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        if self._bars is None:
            self._bars = Bars(
                TextColumn("  {task.description:<28}"),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("剩余 left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bars.start()
        self._open += 1
        task = self._bars.add_task(STAGES.get(name, name), total=max(total, 1))
        bars = self._bars
        try:
            yield _BarStage(bars, task)
            bars.update(task, completed=max(total, 1))
        finally:
            self._open -= 1
            if self._open == 0:
                bars.stop()
                self._bars = None


class Output:
    """How one command speaks. With ``json`` stdout carries exactly one object and all else goes to stderr."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        width = None if sys.stderr.isatty() or "COLUMNS" in os.environ else 120
        self.notes = Console(stderr=True, highlight=False, width=width)
        self.page = Console(stderr=json, highlight=False, width=width)
        self.progress = TerminalProgress(self.notes)

    def say(self, line: str) -> None:
        """One line for the person (stderr under ``--json``)."""
        self.page.print(line, markup=False, soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Anything rich can draw."""
        self.page.print(renderable)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, whole: str = "") -> None:
        """A small table. No text of it is lost, and what stands in the column ``whole`` is not broken up either."""
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column == whole)
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self.page.print(table)

    def result(self, facts: Mapping[str, Any]) -> None:
        """The command's outcome as one JSON object, printed only under ``--json``."""
        if self.json:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False, default=str) + "\n")


def explain(error: ShulabError, *, as_json: bool) -> int:
    """Print an expected error for a person (and for a program) and return its exit code."""
    if as_json:
        sys.stdout.write(json.dumps(error.as_dict(), ensure_ascii=False) + "\n")
    notes = Console(stderr=True, highlight=False)
    notes.print(f"错误 error ({error.code}): {error.detail}", markup=False, style="red", soft_wrap=True)
    if error.next_step:
        notes.print(f"下一步 next: {error.next_step}", markup=False, soft_wrap=True)
    return error.exit_code
