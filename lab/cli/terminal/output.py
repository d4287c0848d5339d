"""What a command shows: progress with the time left, tables for people, one JSON object for programs, and errors.

All output passes through this module. ``rich`` gets text and styles, never a string to interpret as markup. Strings are
escaped by ``lab.terms.text.escaping``, so that no name can control the terminal, hide characters or add a line. Only
``VisibleText`` may have several lines.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.box import HEAVY
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from lab.terms.errors import NotAllowed, ShulabError
from lab.terms.progress import ProgressStage
from lab.terms.text.escaping import VisibleText, dump_visible_json, escape_hidden

if TYPE_CHECKING:
    from lab.terms.contract.name_warnings import NameWarning

STAGE_LABELS: dict[str, str] = {
    "generate": "生成数据 generate",
    "import": "导入登记 import",
    "evaluate": "登记求值 evaluate register",
    "pseudonyms": "更换假名 rename enterprises",
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
    "signatures": "逐条验签 signatures",
    "standing": "查询合同状态 contracts",
    "tidy": "清理 tidy",
}
_MAX_UNBROKEN_WIDTH = 60
"""Widest column that is kept unbroken, in cells of the screen. Longer text is wrapped, never cut."""
_MINIMUM_COLUMN_WIDTH = 4
"""Narrowest column, in cells of the screen. In fewer than two, ``rich`` drops wide characters."""


class SafeConsole(Console):
    """A console that interprets no markup and shows every character: text is escaped once more after layout."""

    def __init__(self, *, stderr: bool = False, width: int | None = None, file: Any = None) -> None:
        super().__init__(stderr=stderr, width=width, file=file, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments that rich prints, their text escaped again."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(VisibleText(segment.text), segment.style)


class _BarStage:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, units: int = 1) -> None:
        self._bars.advance(self._task, units)


class TerminalProgress:
    """Draws one bar a stage on stderr. Several stages may be open at once: encrypting while the bureau scores."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        """Draw a bar for one stage of ``total`` units until the block ends."""
        if self._bars is None:
            self._bars = Bars(
                TextColumn("  {task.description:<28}", markup=False),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("剩余 left", markup=False),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bars.start()
        self._open += 1
        task = self._bars.add_task(STAGE_LABELS.get(name) or escape_hidden(name), total=max(total, 1))
        bars = self._bars
        try:
            yield _BarStage(bars, task)
            bars.update(task, completed=max(total, 1))
        finally:
            self._open -= 1
            if self._open == 0:
                bars.stop()
                self._bars = None


class CommandOutput:
    """The output of one command. With ``json``, stdout carries exactly one object and all else goes to stderr."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        width = None if sys.stderr.isatty() or "COLUMNS" in os.environ else 120
        self.notes = SafeConsole(stderr=True, width=width)
        self.page = SafeConsole(stderr=json, width=width)
        self.progress = TerminalProgress(self.notes)

    def say(self, line: str) -> None:
        """One line for the person (stderr under ``--json``)."""
        self.page.print(Text(escape_hidden(line)), soft_wrap=True)

    def alert(self, line: str) -> None:
        """As ``say``, for a line that must not be overlooked."""
        self.page.print(Text(escape_hidden(line), style="bold red"), soft_wrap=True)

    def say_on_stderr(self, line: str) -> None:
        """One line for the person, always on stderr, so that stdout can be saved to a file."""
        self.notes.print(Text(escape_hidden(line)), soft_wrap=True)

    def print_text(self, text: str) -> None:
        """A document of several lines, for people and programs."""
        self.page.print(Text(VisibleText(text)), soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Anything that ``rich`` can draw."""
        self.page.print(renderable)

    def show_warnings(self, found: Iterable[NameWarning]) -> None:
        """Show warnings about a contract's names in a frame; shows nothing if there are none."""
        lines = [Text(f"{' '.join(one.label)}\n  {one.zh}\n  {one.en}") for one in found]
        if lines:
            self.page.print(
                Panel(
                    Text("\n").join(lines),
                    title=Text("警告：签署或批准前请核对 WARNING: check these names before you sign or approve"),
                    box=HEAVY,
                    style="bold red",
                )
            )

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, whole: str = "") -> None:
        """A small table. No text is cut; text in the column ``whole`` is not wrapped either, if there is room."""
        self.page.print(make_terminal_table(title, columns, rows, whole=whole))

    def print_result(self, facts: Mapping[str, Any]) -> None:
        """The command's outcome as one JSON object, printed only under ``--json``."""
        if self.json:
            sys.stdout.write(dump_visible_json(facts) + "\n")

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on stderr; True for yes."""
        return typer.confirm(escape_hidden(question), err=True)

    def require_confirmation(self, question: str) -> None:
        """Ask whether to go on despite a warning; raises ``NotAllowed`` unless somebody says yes."""
        if not sys.stdin.isatty() or not self.confirm(question):
            raise NotAllowed(
                "Names in the contract look odd, as the warning says, and nobody confirmed them.",
                next_step="ask who drafted it; if the names are right, say so with --despite-warnings",
            )


class TerminalTable:
    """A table of text. On a screen too narrow for its columns it is drawn as a list of rows."""

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], whole: str) -> None:
        self._title, self._whole = Text(escape_hidden(title)), whole
        self._columns = [escape_hidden(column) for column in columns]
        self._rows = [
            [Text(escape_hidden(str(cell)) if not isinstance(cell, VisibleText) else cell) for cell in row]
            for row in rows
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - 3 * len(self._columns) - 1  # without frames and padding
        if room < _MINIMUM_COLUMN_WIDTH * len(self._columns):
            yield self._title
            for row in self._rows:
                yield Text("\n").join(Text.assemble((column, "bold"), ": ", cell) for column, cell in self._named(row))
                yield Text()
            return
        table = Table(title=self._title, title_justify="left", header_style="bold")
        for position, column in enumerate(self._columns):
            widest = max((row[position].cell_len for row in self._rows), default=0)
            others = _MINIMUM_COLUMN_WIDTH * (len(self._columns) - 1)
            unbroken = column == self._whole and widest <= min(_MAX_UNBROKEN_WIDTH, room - others)
            table.add_column(Text(column), overflow="fold", no_wrap=unbroken)
        for row in self._rows:
            table.add_row(*row)
        yield table

    def _named(self, row: Sequence[Text]) -> Iterator[tuple[str, Text]]:
        return zip(self._columns, row, strict=True)


def make_terminal_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, whole: str = ""
) -> TerminalTable:
    """A table that shows every character of its cells; long text is wrapped, never cut."""
    return TerminalTable(title, columns, rows, whole)


def prompt_user(question: str, *, secret: bool = False, confirm: bool = False) -> str:
    """What the person types; the question goes to stderr."""
    return str(typer.prompt(escape_hidden(question), hide_input=secret, confirmation_prompt=confirm, err=True))


def report_usage_error(error: TyperException) -> int:
    """Print what the parser says is wrong with a command line; returns the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return error.exit_code  # the parser has already shown the help
    notes = SafeConsole(stderr=True)
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is not None:
        notes.print(Text(VisibleText(context.get_usage())), soft_wrap=True)
        notes.print(Text(escape_hidden(f"帮助 help: {context.command_path} --help")), soft_wrap=True)
    notes.print(Text(VisibleText(f"错误 error (usage): {error.format_message()}"), style="red"), soft_wrap=True)
    return error.exit_code


def report_internal_error(error: Exception) -> None:
    """Print an unexpected error with its traceback, escaped."""
    sys.stderr.write(VisibleText("".join(traceback.format_exception(error))))


def report_error(error: ShulabError, *, as_json: bool) -> int:
    """Print an expected error for a person, and with ``as_json`` for a program; returns the exit code."""
    if as_json:
        sys.stdout.write(dump_visible_json(error.as_dict()) + "\n")
    notes = SafeConsole(stderr=True)
    notes.print(Text(_visible_error_text(f"错误 error ({error.code}): ", error.detail), style="red"), soft_wrap=True)
    if error.next_step:
        notes.print(Text(_visible_error_text("下一步 next: ", error.next_step)), soft_wrap=True)
    return error.exit_code


def _visible_error_text(before: str, text: str) -> VisibleText:
    """An error's text after our prefix. The other party's text was already escaped when it was read."""
    return VisibleText(before + escape_hidden(text))
