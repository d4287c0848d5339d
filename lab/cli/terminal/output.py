"""What a command shows: progress with the time left, tables for people, one JSON object for programs, and errors.

All output passes through this module. ``rich`` gets text and styles, never a string to interpret as markup. Strings are
escaped by ``lab.terms.text.escaping``, so that no name can control the terminal, hide characters or add a line. Only
``VisibleText`` may have several lines.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.box import HEAVY
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.segment import Segment
from rich.table import Column
from rich.text import Text
from typer.exceptions import TyperException

from lab.cli.terminal.errors.error_language import ErrorLanguage, find_language
from lab.cli.terminal.errors.standard_streams import encode_json_for, find_lost_output
from lab.cli.terminal.errors.unexpected_errors import describe_errno, describe_fault, explain_error, fault_error
from lab.cli.terminal.text_table import make_terminal_table
from lab.terms.errors import MachineFault, NotAllowed, ShulabError
from lab.terms.progress import ProgressStage
from lab.terms.text.escaping import VisibleText, dump_visible_json, escape_hidden
from lab.terms.text.translation import translate_message

if TYPE_CHECKING:
    from lab.terms.contract.name_warnings import NameWarning

STAGE_LABELS: dict[str, str] = {
    "generate": "生成数据 generate",
    "quality": "评估质量 assess quality",
    "import": "导入登记 import",
    "read-records": "读入记录 read records",
    "copy-table": "读取数据库表 copy table",
    "check-rows": "检查各行 check rows",
    "evaluate": "登记求值 evaluate register",
    "pseudonyms": "更换假名 rename enterprises",
    "seal": "封存密钥 seal",
    "count-records": "清点记录 count records",
    "digests": "核对摘要 digests (MB)",
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
    "verify-records": "核验企业记录 verify records",
    "signatures": "逐条验签 signatures",
    "standing": "查询合同状态 contracts",
    "tidy": "清理 tidy",
    "read-backup": "读取文件 read files",
    "encrypt-backup": "加密备份 encrypt backup",
    "verify-backup": "核验备份 verify backup",
    "restore": "恢复文件 restore files",
    "copy-database": "复制数据库 copy database",
}

_DRAWN = {"█": "#", "░": ".", "━": "=", "─": "-", "◆": "*"}
"""What bars are drawn with, and what stands for each in an encoding without it: GBK has no ``░``."""
_STAGE_WIDTH = 31
_LONGEST_COUNT = 99_999


class SafeConsole(Console):
    """A console that interprets no markup and shows every character: text is escaped once more after layout."""

    def __init__(self, *, stderr: bool = False, width: int | None = None, file: Any = None) -> None:
        super().__init__(stderr=stderr, width=width, file=file, markup=False, emoji=False, highlight=False)
        self._replaced = {ord(drawn): plain for drawn, plain in _DRAWN.items() if not _has_character(self, drawn)}

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments that rich prints, their text escaped again; bars in signs that the terminal's encoding has."""
        for segment in super().render(renderable, options):
            if not segment.control:
                segment = Segment(VisibleText(segment.text.translate(self._replaced)), segment.style)
            yield segment


def _has_character(console: Console, character: str) -> bool:
    try:
        return bool(character.encode(console.encoding))
    except (UnicodeEncodeError, LookupError):
        return False


class _StageColumn(ProgressColumn):
    """The stage's name, as wide as the longest in a terminal: a Chinese character takes two places."""

    def render(self, task: Task) -> Text:
        return Text("  " + task.description + " " * max(0, _STAGE_WIDTH - cell_len(task.description)), no_wrap=True)


class _DoneColumn(ProgressColumn):
    """How many units are done, or the share of them where the numbers are long, as those of bytes are."""

    def render(self, task: Task) -> Text:
        done, total = int(task.completed), int(task.total or 1)
        return Text(f"{done}/{total}" if total <= _LONGEST_COUNT else f"{done / total:.0%}", no_wrap=True)


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
                _StageColumn(Column(no_wrap=True)),
                BarColumn(bar_width=32),
                _DoneColumn(Column(no_wrap=True)),
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

    def say_next_step(self, step: str) -> None:
        """What a person may do next, in the languages in which errors are printed."""
        for line in _in_both_languages("下一步 next: ", step):
            self.page.print(Text(line), soft_wrap=True)

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
            _write_json(facts)

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


def prompt_user(question: str, *, secret: bool = False, confirm: bool = False) -> str:
    """What the person types; the question goes to stderr."""
    return str(typer.prompt(escape_hidden(question), hide_input=secret, confirmation_prompt=confirm, err=True))


def report_usage_error(error: TyperException, *, as_json: bool = False) -> int:
    """Print what the parser says is wrong with a command line; returns the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return error.exit_code  # the parser has already shown the help
    context: typer.Context | None = getattr(error, "ctx", None)
    help_command = f"{context.command_path} --help" if context is not None else "lab --help"
    if as_json:
        _write_json({"error": "usage", "detail": error.format_message(), "next_step": help_command})
    notes = SafeConsole(stderr=True)
    if context is not None:
        notes.print(Text(VisibleText(context.get_usage())), soft_wrap=True)
        notes.print(Text(escape_hidden(f"帮助 help: {help_command}")), soft_wrap=True)
    for line in _in_both_languages("错误 error (usage): ", VisibleText(error.format_message())):
        notes.print(Text(line, style="red"), soft_wrap=True)
    return error.exit_code


def install_hooks() -> None:
    """Describe errors without their text where Python prints them by itself: at the top, in threads, in destructors."""
    sys.excepthook = lambda _kind, error, _trace: _report_loose_error(error)
    threading.excepthook = lambda raised: _report_loose_error(raised.exc_value)
    sys.unraisablehook = lambda raised: _report_loose_error(raised.exc_value)


def report_unexpected_error(error: BaseException, *, as_json: bool) -> int:
    """Print an error that Shulab did not raise: what the machine refused, or a fault; returns the exit code."""
    explained = explain_error(error)
    if explained is None:
        sys.stderr.write(describe_fault(error))
        explained = fault_error(error)
    return report_error(explained, as_json=as_json)


def report_lost_output(exit_code: int) -> int:
    """The exit code of a command that ended with ``exit_code``, once its output has been written as far as it could.

    If a part of stdout is lost (a full disk, not a reader that left), says so on stderr; a command that had done its
    work then ends with the code of a ``MachineFault``, since nobody has its result.
    """
    failure = find_lost_output(sys.stdout)
    if failure is None:
        return exit_code
    lost = MachineFault(
        f"Expected to print the output; a part of it is lost: {describe_errno(failure.errno or 0)}.",
        next_step="the command has done its work: do not repeat what is charged; send the output to another place",
    )
    return report_error(lost, as_json=False) if exit_code == 0 else exit_code


def report_error(error: ShulabError, *, as_json: bool) -> int:
    """Print an expected error for a person, and with ``as_json`` for a program; returns the exit code."""
    if as_json:
        _write_json(error.as_dict())
    notes = SafeConsole(stderr=True)
    for line in _in_both_languages(f"错误 error ({error.code}): ", error.detail):
        notes.print(Text(line, style="red"), soft_wrap=True)
    if error.next_step:
        for line in _in_both_languages("下一步 next: ", error.next_step):
            notes.print(Text(line), soft_wrap=True)
    return error.exit_code


def _can_print(text: str) -> bool:
    """Whether stderr's encoding has all characters of ``text``, so that none becomes an escape."""
    try:
        text.encode(getattr(sys.stderr, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _report_loose_error(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, SystemExit | KeyboardInterrupt):
        sys.stderr.write(describe_fault(error))


def _write_json(facts: Mapping[str, Any]) -> None:
    sys.stdout.write(encode_json_for(sys.stdout, dump_visible_json(facts)) + "\n")


def _in_both_languages(before: str, text: str) -> list[VisibleText]:
    """The lines of an error's text after our prefix, in the languages of ``SHULAB_LANG``.

    The other party's text was already escaped when it was read. Without a translation there is the English alone.
    """
    language = find_language(os.environ)
    chinese = None if language is ErrorLanguage.ENGLISH else translate_message(text)
    if language is ErrorLanguage.BOTH and chinese is not None and not _can_print(chinese):
        chinese = None
    texts = [text] if chinese is None else [chinese] if language is ErrorLanguage.CHINESE else [chinese, text]
    prefixes = (before, " " * 4)
    return [VisibleText(prefix + escape_hidden(one)) for prefix, one in zip(prefixes, texts, strict=False)]
