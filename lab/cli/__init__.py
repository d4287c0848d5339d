"""The ``lab`` command: thin, one sub-command group a person, each loaded only when called.

A group is a module of this package with a typer application called ``app``. Loading by name keeps the parties apart: at
a bank, where the bureau's folders are absent, ``lab bank`` starts, and ``lab bureau`` says what is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass

import click
import typer.main

from lab.cli.output import explain
from lab.terms.errors import NotFound, ShulabError


@dataclass(frozen=True)
class Group:
    """Where a command lives: its module, its one-line help, and the command inside (``""``: the whole group)."""

    module: str
    help: str
    command: str = ""


GROUPS: dict[str, Group] = {
    "demo": Group("lab.cli.rehearsal", "演示整个流程 The whole job on made-up data, on this machine.", "demo"),
    "trial": Group("lab.cli.rehearsal", "用两份文件试算 The same job on your own two files, before signing.", "trial"),
    "bank": Group("lab.cli.bank", "银行 For the bank: keys, contracts, scoring, portraits."),
    "bureau": Group("lab.cli.bureau", "数据局 For the bureau: set up, import a register, serve."),
    "officer": Group("lab.cli.officer", "数据专员 For data officers: draft, approve and revoke contracts."),
    "model": Group("lab.cli.model", "模型 Train, inspect and publish scoring models at the bureau."),
}


class LazyGroups(click.Group):
    """A click group whose members are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        group = GROUPS.get(cmd_name)
        if group is None:
            return None
        if importlib.util.find_spec(group.module) is None:
            raise NotFound(
                f"`lab {cmd_name}` is not part of this installation.", next_step="run it where that party is installed"
            )
        app = typer.main.get_command(importlib.import_module(group.module).app)
        if group.command:
            if not isinstance(app, click.Group):
                raise TypeError(f"{group.module}.app must be a group")
            command = app.get_command(ctx, group.command)
            if command is None:
                raise NotFound(f"`lab {cmd_name}` is missing from {group.module}.")
            return command
        app.name = cmd_name
        return app

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, group.help) for name, group in GROUPS.items()])


@click.command(cls=LazyGroups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shulab", prog_name="lab")
def cli() -> None:
    """数字实验室 Shulab: a data bureau and its banks compute on each other's data without showing it."""


def main() -> None:
    """Entry point: runs the command and turns every expected error into its message and exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except ShulabError as error:
        sys.exit(explain(error, as_json="--json" in sys.argv[1:]))
    except click.exceptions.Abort:
        click.echo("已中断 aborted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
