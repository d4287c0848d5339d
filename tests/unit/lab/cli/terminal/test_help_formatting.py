"""On a screen of 80 columns every help shows each option's and command's name whole, and no word is lost."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

from lab.cli import SUBCOMMANDS
from lab.cli.terminal.help_formatting import disable_help_truncation
from tests.support.command_tree import load_group

WIDTH = 80


def commands(name: str, command: Any, parent: Any = None) -> Iterator[tuple[str, Any]]:
    """Every group and command under ``name``, with the context that its help is asked in."""
    context = type(command).context_class(command, info_name=name, parent=parent)
    yield context.command_path, context
    for word, below in (getattr(command, "commands", None) or {}).items():
        yield from commands(word, below, context)


def help_text(context: Any, monkeypatch: pytest.MonkeyPatch, width: int = WIDTH) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    disable_help_truncation()
    with redirect_stdout(io.StringIO()) as shown:
        print(context.get_help())
    return shown.getvalue()


@pytest.mark.parametrize("group", SUBCOMMANDS)
def test_no_help_cuts_a_name_at_80_columns(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, context in commands(f"lab {group}", load_group(group)):
        text = help_text(context, monkeypatch)
        assert "…" not in text and max(len(line) for line in text.splitlines()) <= WIDTH, path
        for parameter in context.command.get_params(context):
            if getattr(parameter, "hidden", False):
                continue
            for name in (*parameter.opts, *parameter.secondary_opts):
                if name.startswith("-"):
                    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), f"{path} {name}\n{text}"
            for choice in getattr(parameter.type, "choices", ()):
                word = str(getattr(choice, "value", choice))
                assert word in text, f"{path}: {word}\n{text}"
        for word in getattr(context.command, "commands", ()):
            assert re.search(rf"[│|] {re.escape(word)}\s", text), f"{path} {word}"


def test_a_wide_screen_keeps_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    group = load_group("bank")
    context = next(one for path, one in commands("lab bank", group) if path.endswith(" score"))
    wide, narrow = (help_text(context, monkeypatch, width) for width in (140, WIDTH))
    line = next(line for line in wide.splitlines() if "--skip" in line)
    assert "A table of codes" in line  # the help beside the option
    assert "A table of codes" not in next(line for line in narrow.splitlines() if "--skip" in line)
