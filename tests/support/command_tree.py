"""The commands that `lab` has, as the command line itself defines them: for tests and for the pages made from it."""

from __future__ import annotations

from functools import cache

import click
import typer.main

from lab.cli import SUBCOMMANDS, build_app


@cache
def load_group(group: str) -> click.Command:
    """The click command of a group (or single command), loaded as ``lab GROUP`` loads it."""
    root = typer.main.get_command(build_app(group))
    return root.commands[group]  # type: ignore[attr-defined]


def commands_of(group: str) -> dict[str, click.Command]:
    """Every command of a group that a person can call, as help lists them: ``"bank score" -> command``."""
    return _leaves(group, load_group(group))


def all_commands() -> dict[str, click.Command]:
    """Every command of every group: ``"bank score" -> command``."""
    return {name: command for group in SUBCOMMANDS for name, command in commands_of(group).items()}


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that ``words`` (without ``lab``) call and its arguments; raises ``LookupError``."""
    group, *rest = words
    if group not in SUBCOMMANDS:
        raise LookupError(f"there is no command `lab {group}`")
    command = load_group(group)
    while below := getattr(command, "commands", None):
        if not rest or rest[0] not in below:
            raise LookupError(f"there is no command `lab {' '.join(words[:3])}`")
        command, rest = below[rest[0]], rest[1:]
    return command, rest


def _leaves(name: str, command: click.Command) -> dict[str, click.Command]:
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    found: dict[str, click.Command] = {}
    for word in command.list_commands(click.Context(command)):  # type: ignore[attr-defined]
        found |= _leaves(f"{name} {word}", below[word])
    return found
