"""``lab bank meter``: what the bank used under a contract by its receipts, compared with what the bureau states."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import BankHomeOption, JsonOption
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.terms.contract.meter_texts import (
    ACCOUNT_COLUMNS,
    DIFFERENCE_COLUMNS,
    account_rows,
    account_title,
    account_totals,
    difference_rows,
)
from lab.terms.contract.metering import MAX_METER_BYTES, MeterAccount, compare_accounts, parse_account
from lab.terms.errors import InvalidInput, NotFound


@dataclass(frozen=True, kw_only=True)
class BankMeterOptions:
    """What ``lab bank meter`` takes."""

    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 The contract's id.")]
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="月份 Only this month, in UTC [default: all].")
    ] = None
    stated: Annotated[
        Path | None,
        typer.Option(
            "--stated",
            metavar="FILE",
            help="数据局的计量 The bureau's account to compare with, from `lab officer meter CONTRACT --json`.",
        ),
    ] = None
    home: BankHomeOption = None
    as_json: JsonOption = False


@take_options(BankMeterOptions)
def meter(options: BankMeterOptions) -> None:
    """计量 Count what was used under a contract, by the bureau's receipts, and compare it with the bureau's account.

    有差异时退出码为 1。 If the accounts differ, the differences are shown and the exit code is 1. Months of an active
    contract leave no receipt; they are the bureau's to state.
    """
    from lab.bank.runs.metering import RECEIPTED_UNITS, meter_receipts

    output = CommandOutput(options.as_json)
    stated = _read_stated(options.stated, options) if options.stated is not None else None
    month = options.month or (stated.month if stated is not None else None)
    own = meter_receipts(BankHome.open(options.home or default_home()), options.contract, month)
    output.table(account_title(own), ACCOUNT_COLUMNS, account_rows(own))
    for total in account_totals(own):
        output.say(total)
    if stated is None:
        output.print_result(own.as_dict() | {"compared": False, "differences": []})
        return
    found = compare_accounts(stated, own, RECEIPTED_UNITS)
    differences = [
        {"month": one.key.month, "version": one.key.version, "unit": one.key.unit.value}
        | {"stated": one.stated, "own": one.own}
        for one in found
    ]
    if found:
        output.table("差异 Differences", DIFFERENCE_COLUMNS, difference_rows(found))
        output.alert(
            "与数据局的计量不一致：先看是否有已清理的运行 The accounts differ: first see whether runs were tidied away"
        )
    else:
        output.say("与数据局的计量一致 The bureau's account says the same, as far as receipts go")
    output.print_result(own.as_dict() | {"compared": True, "differences": differences})
    if found:
        raise typer.Exit(1)


def _read_stated(path: Path, options: BankMeterOptions) -> MeterAccount:
    if not path.is_file():
        raise NotFound(f"Expected an account in file {path.name}; there is no such file.", next_step="check the path")
    with path.open("rb") as file:
        stated = parse_account(file.read(MAX_METER_BYTES + 1))
    if stated.contract != options.contract or (options.month is not None and stated.month != options.month):
        raise InvalidInput(
            "Expected the bureau's account of this contract and month; the file is of another.",
            next_step=f"ask the bureau: `lab officer meter {options.contract} --json`",
        )
    return stated
