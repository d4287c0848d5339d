"""What the bank's commands have in common: their options, and how they open the bank's keys."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.cli.terminal.output import prompt_user
from lab.terms.contract.document import SignedContract
from lab.terms.errors import InvalidInput

BankHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="银行目录 The bank's folder (default: SHULAB_BANK_HOME or ~/.shulab/bank).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="输出一个 JSON 对象 Print one JSON object on stdout.")]
BureauUrl = Annotated[
    str | None,
    typer.Option("--bureau", help="数据局服务地址 The bureau's address, as https://host[:port].", show_default=False),
]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", help="自有 CA 证书 Certificate authority of the bureau's service.", show_default=False),
]
InsecureHttp = Annotated[
    bool,
    typer.Option("--insecure-http", help="允许明文 HTTP Allow plain http to another machine (protected networks)."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME[@V]",
        help="模型 One of the models that the contract allows [default: its first; the run's newest].",
        show_default=False,
    ),
]
RecipientOption = Annotated[
    str | None,
    typer.Option(
        "--recipient",
        help="接收方 Who in the bank the results are for, as the contract names them [default: its first; the run's].",
        show_default=False,
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", help="运行编号 A run's name (default: the latest).", show_default=False)
]

IdColumn = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="代码列 Column of the enterprises' codes (default: one named id, code, 统一社会信用代码).",
        show_default=False,
    ),
]
ProcessesOption = Annotated[
    int, typer.Option("--processes", min=0, max=256, help="进程数 Processes to match with (0: one for each core).")
]


def open_keys(home: BankHome) -> BankKeys:
    """The bank's keys, by its key file or a passphrase."""
    return home.open_keys(None if home.key_file else read_passphrase())


def parse_model_reference(text: str | None) -> tuple[str, int | None] | None:
    """``NAME`` or ``NAME@VERSION``; raises ``InvalidInput``."""
    if text is None:
        return None
    found = re.fullmatch(r"([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9][0-9]{0,8}))?", text)
    if found is None:
        raise InvalidInput("Wanted a model as NAME or NAME@VERSION.", next_step="write it as credit or credit@1")
    return found[1], int(found[2]) if found[2] else None


def read_passphrase(*, confirm: bool = False) -> str:
    """From SHULAB_PASSPHRASE, else asked on the terminal."""
    found = os.environ.get("SHULAB_PASSPHRASE")
    if found:
        return found
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Wanted the passphrase of the bank's keys; there is no terminal to ask on.",
            next_step="set SHULAB_PASSPHRASE, or make the bank with --key-file",
        )
    return prompt_user("口令 passphrase", secret=True, confirm=confirm)


def open_bureau_client(
    home: BankHome,
    keys: BankKeys,
    signed: SignedContract,
    bureau: str | None,
    ca_file: Path | None,
    insecure_http: bool,
) -> BureauClient:
    """The way to the bureau of a signed contract, whose key is pinned; ``bureau``: its address, if not the last one."""
    return BureauClient(
        bureau or pinned_url(home, signed),
        keys,
        bureau_key=signed.contract.bureau.public_key,
        ca_file=ca_file,
        insecure_http=insecure_http,
    )


def pinned_url(home: BankHome, signed: SignedContract | None) -> str:
    """The address at which the bureau was last reached."""
    pin = home.find_pin(signed.contract.bureau) if signed is not None else None
    if pin is None:
        raise InvalidInput("Wanted the bureau's address.", next_step="give --bureau URL")
    return pin.url
