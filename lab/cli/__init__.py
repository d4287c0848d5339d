"""The ``lab`` command: one group of sub-commands for each role, loaded only when it is called.

A group is a module with a typer application named ``app``. It is loaded by name, which keeps the parties apart: at a
bank, where the bureau's folders are absent, ``lab bank`` works and ``lab bureau`` says that it is not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from lab.cli.terminal.completion import VARIABLE, find_called_group
from lab.cli.terminal.errors.error_language import check_language
from lab.cli.terminal.errors.standard_streams import install_tolerant_streams
from lab.cli.terminal.help_formatting import disable_help_truncation
from lab.cli.terminal.output import (
    install_hooks,
    report_error,
    report_lost_output,
    report_unexpected_error,
    report_usage_error,
)
from lab.process.environment_names import check_command_variables
from lab.process.file_modes import keep_new_files_private
from lab.process.garbage_collection import tune_garbage_collection
from lab.process.memory_protection import disable_core_dumps, hide_environment_from_children
from lab.terms.errors import NotFound, ShulabError


@dataclass(frozen=True)
class Subcommand:
    """The module of a command, its one-line help, and whether it is a single command rather than a group.

    ``added``: modules whose commands the group has where they are installed too.
    """

    module: str
    help: str
    single: bool = False
    added: tuple[str, ...] = ()


SUBCOMMANDS: dict[str, Subcommand] = {
    "demo": Subcommand(
        "lab.cli.simulation.commands", "演示整个流程 The whole job on made-up data, on this machine.", single=True
    ),
    "trial": Subcommand(
        "lab.cli.simulation.commands", "用两份文件试算 The same job on your own two files, before signing.", single=True
    ),
    "bench": Subcommand("lab.cli.simulation.bench", "基准 Measure this machine, on made-up data."),
    "bank": Subcommand("lab.cli.bank.commands", "银行 For the bank: keys, contracts, scoring, portraits."),
    "bureau": Subcommand(
        "lab.cli.bureau.commands",
        "数据局 For the bureau: set up, import a register, serve.",
        added=("lab.cli.simulation.city",),
    ),
    "officer": Subcommand(
        "lab.cli.officer.commands", "数据专员 For data officers: contracts, from the draft to their end."
    ),
    "audit": Subcommand(
        "lab.cli.auditor.commands", "审计 For auditors: the ledger, exports and receipts, checked by anyone."
    ),
    "witness": Subcommand(
        "lab.cli.witness.commands", "见证人 For a witness of bureaus' ledgers: an auditor, a second bureau, a bank."
    ),
    "account": Subcommand(
        "lab.cli.administrator.accounts", "账户 Sign in to a bureau's service, and keep its accounts."
    ),
    "steward": Subcommand("lab.cli.steward.commands", "数据管理员 For data stewards: consents of enterprises."),
    "request": Subcommand(
        "lab.cli.request.commands", "数据需求 For organisations: ask a bureau for data, and see what became of it."
    ),
    "bank-key": Subcommand(
        "lab.cli.administrator.bank_keys", "银行密钥 For administrators: the keys by which a bureau knows its banks."
    ),
    "model": Subcommand("lab.cli.bureau.models", "模型 Train, inspect and publish scoring models at the bureau."),
    "status": Subcommand(
        "lab.cli.doctor.status", "状态 What is set up here, what waits for you, what comes next.", single=True
    ),
    "doctor": Subcommand(
        "lab.cli.doctor.commands", "体检 What this machine and this installation can do.", single=True
    ),
}

_HELP = "数字实验室 Shulab: a data bureau and its banks compute on each other's data without showing it."


def build_app(called: str | None) -> typer.Typer:
    """The root application. The group ``called`` is loaded; of the others there is only the help text.

    Raises ``NotFound`` if the group ``called`` is not part of this installation.
    """
    root = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        add_completion=called not in SUBCOMMANDS or VARIABLE in os.environ,
        rich_markup_mode="markdown",  # brackets in help texts are brackets, not styles
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_root)
    for name, group in SUBCOMMANDS.items():
        if name != called:
            root.add_typer(typer.Typer(), name=name, help=group.help)
            continue
        if not _is_installed(group.module):
            raise NotFound(
                f"`lab {name}` is not part of this installation.", next_step="run it where that party is installed"
            )
        app = _load_group(group)
        if group.single:
            root.registered_commands += [command for command in app.registered_commands if command.name == name]
        else:
            root.add_typer(app, name=name, help=group.help, no_args_is_help=True)
    return root


def _load_group(group: Subcommand) -> typer.Typer:
    app: typer.Typer = importlib.import_module(group.module).app
    known = {command.name for command in app.registered_commands}
    for module in filter(_is_installed, group.added):
        commands = importlib.import_module(module).app.registered_commands
        app.registered_commands += [command for command in commands if command.name not in known]
    return app


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def _print_version(requested: bool) -> None:
    if requested:
        print(f"lab {version('shulab')}")  # noqa: T201 - the answer itself
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Holds the root's options; the groups hold the commands."""


_root.__doc__ = _HELP


def main() -> None:
    """Entry point: run the command, and turn an error into its message and exit code."""
    install_hooks()
    install_tolerant_streams()
    tune_garbage_collection()
    disable_core_dumps()  # any command may have keys in its memory
    hide_environment_from_children()
    keep_new_files_private()
    if len(sys.argv) < 4 or {"-h", "--help"} & set(sys.argv):
        disable_help_truncation()
    if VARIABLE in os.environ:
        called = find_called_group(os.environ, [name for name, one in SUBCOMMANDS.items() if _is_installed(one.module)])
    else:
        called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    sys.exit(report_lost_output(_run(called)))


def _run(called: str | None) -> int:
    """Run the command ``called``; returns the exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        if not {"-h", "--help", "--version"} & set(sys.argv):
            check_command_variables()
        check_language(os.environ)
        return build_app(called)(standalone_mode=False) or 0
    except ShulabError as error:
        return report_error(error, as_json=as_json)
    except TyperException as error:
        return report_usage_error(error, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 1
    except Exception as error:  # its text may come from outside, so nobody may print it as it is
        return report_unexpected_error(error, as_json=as_json)


if __name__ == "__main__":
    main()
