"""The README says what the commands say: each command and option it shows exists, each command is in its table."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
import typer.main

from lab.cli import SUBCOMMANDS, build_app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TABLE_ROW = re.compile(r"^\| `lab ([a-z -]+?)`", re.MULTILINE)


@cache
def tree(group: str) -> click.Command:
    """The click command of a group (or single command), loaded as ``lab GROUP`` loads it."""
    root = typer.main.get_command(build_app(group))
    return root.commands[group]  # type: ignore[attr-defined]


def leaves() -> dict[str, click.Command]:
    """Every command a person can call: ``"bank score" -> command``."""
    found: dict[str, click.Command] = {}
    waiting = [(group, tree(group)) for group in SUBCOMMANDS]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", None)
        if below:
            waiting += [(f"{name} {one}", leaf) for one, leaf in below.items()]
        else:
            found[name] = command
    return found


def shown() -> list[str]:
    """Every `lab …` line in the README's shell blocks, continuation lines joined."""
    lines = [line for block in BLOCK.findall(README) for line in block.replace("\\\n", " ").splitlines()]
    bare = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    return [line for line in bare if line.startswith("lab ")]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that ``words`` call and the arguments left for it."""
    group, *rest = words
    assert group in SUBCOMMANDS, f"README shows `lab {group}`, which does not exist"
    command = tree(group)
    while below := getattr(command, "commands", None):
        assert rest and rest[0] in below, f"README shows `lab {' '.join(words)}`, which does not exist"
        command, rest = below[rest[0]], rest[1:]
    return command, rest


def test_readme_shows_commands() -> None:
    assert len(shown()) >= 10


@pytest.mark.parametrize("line", shown())
def test_shown_command_and_its_options_exist(line: str) -> None:
    words = [word.rstrip("]") for word in shlex.split(line, comments=True)]
    command, rest = resolve(words[1:])
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    for word in rest:
        if word.startswith("-"):
            assert word.split("=")[0] in options, f"README shows {word} with `{line[:40]}…`; its --help does not"
    required = [p for p in command.params if p.required and isinstance(p, click.Option)]
    missing = [p.opts[0] for p in required if not set(p.opts) & set(rest)]
    assert "--help" in rest or not missing, f"README leaves out {missing} in `{line[:60]}…`"


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    assert set(TABLE_ROW.findall(README)) == set(leaves())


@pytest.mark.parametrize("name", sorted(leaves()))
def test_every_command_explains_itself(name: str) -> None:
    """A person can follow ``--help``: the command and each of its options and arguments has words."""
    command = leaves()[name]
    assert command.help and len(command.help) > 20
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not silent, f"options without words: {silent}"
    assert any(option.name == "json" or "--json" in option.opts for option in command.params), "no --json"


@pytest.mark.parametrize(
    "target", re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README) + re.findall(r'src="([^":]+)"', README)
)
def test_readme_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", re.findall(r"`make ([a-z-]+)`", README))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
