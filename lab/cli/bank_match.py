"""``lab bank match`` and ``lab bank count``: matching without scoring, and how many match without which."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank_options import (
    AsJson,
    BureauUrl,
    CaFile,
    Home,
    IdColumn,
    InsecureHttp,
    Processes,
    open_keys,
    outlet_of,
)
from lab.cli.output import Output

Records = Annotated[Path, typer.Argument(help="企业清单 The bank's records, CSV or Parquet, one firm a row.")]
ContractId = Annotated[str, typer.Option("--contract", help="合同编号 The contract's id.")]


def match(
    portfolio: Records,
    contract: ContractId,
    out: Annotated[Path, typer.Option("--out", help="结果文件 Where the result goes: .parquet or .csv.")],
    bureau: BureauUrl = None,
    id_column: IdColumn = None,
    processes: Processes = 0,
    home: Home = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: AsJson = False,
) -> None:
    """隐私求交 Match a portfolio under a contract, without scoring it.

    数据局只获知数量。 The bureau learns how many were asked, and not which matched until they are to be scored. Every
    row ends as matched, not-matched or set-aside with a reason. If it is stopped, the same command goes on; what was
    matched once under a contract is neither sent nor charged again, by `lab bank score` either.
    """
    from lab.bank.intersection import Errand, match_portfolio

    output = Output(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)
    errand = Errand(portfolio, contract, id_column, processes)
    with outlet_of(opened, keys, opened.contract(contract), bureau, ca_file, insecure_http) as outlet:
        manifest = match_portfolio(opened, keys, outlet, errand, out, progress=output.progress)
    _show(output, "隐私求交 Match", manifest, [("已发送标识 identifiers sent", f"{manifest['sent']:,}")])
    output.say(f"结果文件 out: {manifest['out']}")
    output.result({name: value for name, value in manifest.items() if name != "schema"})


def count(
    portfolio: Records,
    contract: ContractId,
    bureau: BureauUrl = None,
    id_column: IdColumn = None,
    processes: Processes = 0,
    home: Home = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: AsJson = False,
) -> None:
    """隐私计数 Count how many of a portfolio's enterprises match, and learn nothing more.

    双方都不知道是哪些企业。 Neither side learns which. It needs a contract that allows to count, and at least 100
    usable codes. If it is stopped, the same command goes on, without new charges.
    """
    from lab.bank.intersection import Errand, count_portfolio

    output = Output(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)
    errand = Errand(portfolio, contract, id_column, processes)
    with outlet_of(opened, keys, opened.contract(contract), bureau, ca_file, insecure_http) as outlet:
        manifest = count_portfolio(opened, keys, outlet, errand, progress=output.progress)
    _show(output, "隐私计数 Count", manifest, [])
    output.result({name: value for name, value in manifest.items() if name != "schema"})


def _show(output: Output, title: str, manifest: dict[str, Any], more: list[tuple[str, str]]) -> None:
    reasons = ", ".join(f"{reason} {number}" for reason, number in manifest["set_aside_reasons"].items())
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in manifest["seconds"].items())
    output.table(
        f"{title} {manifest['run']}",
        ("项目 item", "结果 result"),
        [
            ("合同 contract", manifest["contract"]),
            ("登记条数 register entries", f"{manifest['setup_entries']:,}"),
            ("清单行数 rows", f"{manifest['rows']:,}"),
            ("已接受 accepted", f"{manifest['accepted']:,}"),
            ("搁置 set aside", f"{manifest['set_aside']:,}" + (f" ({reasons})" if reasons else "")),
            ("匹配 matched", f"{manifest['matched']:,}"),
            *more,
            ("用时 seconds", seconds),
            ("上行、下行 up, down", f"{manifest['bytes_up'] / 1e6:.1f} MB, {manifest['bytes_down'] / 1e6:.1f} MB"),
            ("每条登记字节 set-up bytes an entry", f"{manifest['setup_bytes_an_entry']:.2f}"),
        ],
    )
    for warning in manifest["warnings"]:
        output.say(f"注意 note: {warning}")
