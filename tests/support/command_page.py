"""Writes `docs/commands.md` from the command line itself; `make pages` runs it, tests/architecture compares."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import click

from lab.cli import SUBCOMMANDS
from lab.terms import errors
from tests.support.command_tree import commands_of, load_group

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_HEAD = """\
# 命令 Commands

This page is generated from the command line (`make pages`). Every command has `--help` (`-h`), and `--json` for one
JSON object on stdout; messages and progress go to stderr. With `--json` an error is an object too: `error` (the word
below), `detail` and `next_step`, in English.

**语言 Language.** 错误以中文和英文显示。`SHULAB_LANG=zh` 只显示中文（无译文时显示英文），`SHULAB_LANG=en` 只显示英文。
People read errors in Chinese and English; `SHULAB_LANG=zh` or `SHULAB_LANG=en` shows one of them. A message without a
translation is shown in English.

**补全 Completion.** 在 bash、zsh 或 fish 中运行 `lab --install-completion`，重开终端后按 Tab 补全命令和选项。
Run `lab --install-completion` in bash, zsh or fish and open a new terminal: the tabulator then completes commands and
options. `lab --show-completion` prints the script without installing it.

**终端 Terminals.** 终端编码缺少的字符以转义显示。 A character that the encoding lacks is printed as an escape
(`\\u753b`), and `--json` is then plain ASCII. If the reader of a pipe leaves, the command still finishes its work. If a
disk is full under `>`, the command finishes its work and ends with exit code 9: do not repeat a charged job.
"""
_EXIT_CODES = """\
| exit code | `error` | meaning |
|---|---|---|
| 0 | | success |
| 1 | `fault` | a fault in Shulab itself; also a question answered with no, and a failed check of `lab doctor` |
| 2 | `usage` | the command line is wrong: an unknown option, a missing argument |
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD, _exit_codes(), _contents()]
    for group, description in SUBCOMMANDS.items():
        if not description.single:
            parts.append(f"## lab {group}\n\n{_words(load_group(group).help or description.help)}\n")
        parts += [_section(name, command) for name, command in commands_of(group).items()]
    return "\n".join(parts)


def _exit_codes() -> str:
    families = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ShulabError)]
    rows = [
        f"| {family.exit_code} | `{family.code}` | {_words((family.__doc__ or '').splitlines()[0])} |"
        for family in sorted(families, key=lambda family: family.exit_code)
        if family is not errors.ShulabError
    ]
    return "\n".join([_EXIT_CODES + rows[0], *rows[1:], ""])


def _contents() -> str:
    rows = [
        f"| [`lab {name}`](#{_anchor(name)}) | {_first_sentence(command)} |"
        for group in SUBCOMMANDS
        for name, command in commands_of(group).items()
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows, ""])


def _section(name: str, command: click.Command) -> str:
    level = "##" if " " not in name else "###"
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([f"lab {name}", *(_shown(p) for p in arguments), "[OPTIONS]"])
    lines = [f"{level} lab {name}", "", *_paragraphs(command.help or ""), "```text", usage, "```", ""]
    if arguments:
        lines += ["| argument | what it is |", "|---|---|"]
        lines += [f"| `{_shown(p)}` | {_words(getattr(p, 'help', None) or '')} |" for p in arguments]
        lines.append("")
    if options:
        lines += ["| option | value | what it does |", "|---|---|---|"]
        lines += [f"| {_names(p)} | {_value(p)} | {_words(getattr(p, 'help', None) or '')} |" for p in options]
        lines.append("")
    return "\n".join(lines)


def _names(option: click.Parameter) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names + (" (required)" if option.required else "")


def _shown(argument: click.Parameter) -> str:
    name = (argument.metavar or (argument.name or "").upper()).strip("[].")
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _value(option: Any) -> str:
    """The value of an option (none, one of a few words, or a type) and its default."""
    if option.is_flag:
        takes = "yes or no" if option.secondary_opts else "none"
    elif choices := getattr(option.type, "choices", None):
        takes = ", ".join(f"`{_text(choice)}`" for choice in choices)
    else:
        takes = f"`{option.metavar}`" if option.metavar else _kind(option.type)
    if option.multiple:
        takes += "; may be repeated"
    default = option.default
    if option.is_flag and not option.secondary_opts:
        return takes
    if default is None or default == "" or default == () or callable(default):
        return takes
    return f"{takes}; default `{_text(default)}`"


def _kind(kind: Any) -> str:
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    name = {"int range": "whole number", "integer": "whole number", "float range": "number", "path": "path"}.get(
        kind.name, "text"
    )
    if low is not None and high is not None:
        return f"{name}, {low} to {high}"
    return f"{name}, at least {low}" if low is not None else name


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value.value if isinstance(value, Enum) else value)


def _paragraphs(text: str) -> list[str]:
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        found += [_words(paragraph), ""]
    return found


def _words(text: str) -> str:
    """Help text as Markdown in a table cell: on one line, with code as the only markup."""
    line = " ".join(text.split())
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;").replace("*", r"\*") for p in parts).replace(
        "|", r"\|"
    )


def _first_sentence(command: click.Command) -> str:
    return _words(re.split(r"\n\s*\n", (command.help or "").strip())[0])


def _anchor(name: str) -> str:
    return "lab-" + name.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"written: {PAGE}")
