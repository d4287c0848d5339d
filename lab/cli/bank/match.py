"""``lab bank match`` and ``lab bank count``: matching without scoring, and how many match without which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import (
    BankHomeOption,
    BureauUrl,
    CaFile,
    IdColumn,
    InsecureHttp,
    JsonOption,
    ProcessesOption,
    open_bureau_client,
    open_keys,
)
from lab.cli.bank.runs import LONG_FIELDS, show_match
from lab.cli.bank.tidy import show_expired_reminder
from lab.cli.terminal.output import CommandOutput

PortfolioArgument = Annotated[Path, typer.Argument(help="企业清单 The bank's records, CSV or Parquet, one firm a row.")]
ContractIdOption = Annotated[str, typer.Option("--contract", help="合同编号 The contract's id.")]


def match(
    portfolio: PortfolioArgument,
    contract: ContractIdOption,
    out: Annotated[Path, typer.Option("--out", help="结果文件 Where the result goes: .parquet or .csv.")],
    bureau: BureauUrl = None,
    id_column: IdColumn = None,
    processes: ProcessesOption = 0,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """隐私求交 Match a portfolio under a contract, without scoring it.

    数据局只获知数量。 The bureau learns how many were asked, and not which matched until they are to be scored. Every
    row ends as matched, not-matched or set-aside with a reason. If it is stopped, the same command goes on; what was
    matched once under a contract is neither sent nor charged again, by `lab bank score` either.
    """
    from lab.bank.matching.match_job import MatchRequest, match_portfolio

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)
    request = MatchRequest(portfolio, contract, id_column, processes)
    with open_bureau_client(opened, keys, opened.contract(contract), bureau, ca_file, insecure_http) as client:
        manifest = match_portfolio(opened, keys, client, request, out, progress=output.progress)
    show_match(output, manifest)
    show_expired_reminder(output, opened)
    output.print_result(
        {name: value for name, value in manifest.items() if name not in LONG_FIELDS or name == "warnings"}
    )


def count(
    portfolio: PortfolioArgument,
    contract: ContractIdOption,
    bureau: BureauUrl = None,
    id_column: IdColumn = None,
    processes: ProcessesOption = 0,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """隐私计数 Count how many of a portfolio's enterprises match, and learn nothing more.

    双方都不知道是哪些企业。 Neither side learns which. It needs a contract that allows to count, and at least 100
    usable codes. If it is stopped, the same command goes on, without new charges.
    """
    from lab.bank.matching.match_job import MatchRequest, count_portfolio

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)
    request = MatchRequest(portfolio, contract, id_column, processes)
    with open_bureau_client(opened, keys, opened.contract(contract), bureau, ca_file, insecure_http) as client:
        manifest = count_portfolio(opened, keys, client, request, progress=output.progress)
    show_match(output, manifest)
    show_expired_reminder(output, opened)
    output.print_result(
        {name: value for name, value in manifest.items() if name not in LONG_FIELDS or name == "warnings"}
    )
