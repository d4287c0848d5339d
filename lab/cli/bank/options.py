"""What the bank's commands share: their options, and how they open the bank's folder, its keys and a connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome, default_home
from lab.bank.keys import BankKeys
from lab.cli.terminal.prompts.password_prompt import read_secret
from lab.terms.contract.document import SignedContract
from lab.terms.errors import InvalidInput
from lab.transport.proxy.network_settings import read_network_settings
from protocols.wire.http_signatures import Signer

BankHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="银行目录 The bank's folder (default: SHULAB_BANK_HOME or ~/.shulab/bank).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="输出一个 JSON 对象 Print one JSON object on stdout.")]
BureauUrlOption = Annotated[
    str | None,
    typer.Option("--bureau", help="数据局服务地址 The bureau's address, as https://host[:port].", show_default=False),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        help="自有 CA 证书 The certificate authority of the bureau's service, as a PEM file; `sign` remembers it.",
        show_default=False,
    ),
]
InsecureHttpOption = Annotated[
    bool,
    typer.Option("--insecure-http", help="允许明文 HTTP Allow plain http to another machine, in a protected network."),
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
        help="接收方 The recipient in the bank, as the contract names it [default: its first; the run's].",
        show_default=False,
    ),
]
RunOption = Annotated[
    str | None, typer.Option("--run", help="运行编号 A run's name (default: the latest).", show_default=False)
]
PortfolioArgument = Annotated[
    Path, typer.Argument(help="企业清单 The bank's records: CSV, workbook or Parquet, one enterprise a row.")
]
ContractOption = Annotated[str, typer.Option("--contract", help="合同编号 The contract's id.")]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        "--id",
        help="代码列 The column of the enterprises' codes (default: one named id, code or 统一社会信用代码).",
        show_default=False,
    ),
]
ProcessesOption = Annotated[
    int, typer.Option("--processes", min=0, max=256, help="进程数 Processes to compute with (0: one for each core).")
]


def open_keys(home: BankHome) -> BankKeys:
    """The bank's keys, opened with its key file or a passphrase."""
    return home.open_keys(None if home.key_file else read_passphrase())


def read_passphrase(*, confirm: bool = False) -> str:
    """The passphrase from SHULAB_PASSPHRASE, or else from the person at the terminal.

    Raises ``InvalidInput`` if there is neither.
    """
    missing = InvalidInput(
        "Expected the passphrase of the bank's keys; there is no terminal to ask on.",
        next_step="set SHULAB_PASSPHRASE, or create the bank with --key-file",
    )
    return read_secret("SHULAB_PASSPHRASE", "口令 passphrase", missing, confirm=confirm)


def pinned_url(home: BankHome, signed: SignedContract | None) -> str:
    """The address at which the bureau of a contract was last reached; raises ``InvalidInput`` if none is known."""
    pin = home.find_pin(signed.contract.bureau) if signed is not None else None
    if pin is None:
        raise InvalidInput("Expected the bureau's address; none is known yet.", next_step="give --bureau URL")
    return pin.url


@dataclass(frozen=True, kw_only=True)
class HomeOptions:
    """The bank's folder, and how a command prints."""

    home: BankHomeOption = None
    as_json: JsonOption = False

    def open_home(self, *, earlier: bool = False) -> BankHome:
        """The bank's folder that was named, or the default one; ``earlier``: of an earlier format too."""
        return BankHome.open(self.home or default_home(), earlier=earlier)


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions(HomeOptions):
    """How a bureau's service is reached."""

    ca_file: CaFileOption = None
    insecure_http: InsecureHttpOption = False

    def connect(self, url: str, signer: Signer, bureau_key: str | None = None) -> BureauClient:
        """A client of the bureau at ``url``; ``bureau_key``: its public key, hexadecimal, where it is pinned."""
        ca_file = self.ca_file or self._remembered_ca_file(url, bureau_key)
        network = read_network_settings(self.home or default_home(), ca_file=ca_file)
        return BureauClient(url, signer, bureau_key=bureau_key, network=network, insecure_http=self.insecure_http)

    def _remembered_ca_file(self, url: str, bureau_key: str | None) -> Path | None:
        """The certificate authority that `lab bank sign --ca-file` named for the bureau of this key or address."""
        for pin in self.open_home().pins():
            same = pin.bureau.public_key == bureau_key or pin.url.rstrip("/") == url.rstrip("/")
            if same and pin.ca_file is not None:
                return pin.ca_file
        return None

    def connect_for(self, home: BankHome, keys: BankKeys, signed: SignedContract) -> BureauClient:
        """A client of the bureau of a signed contract, whose key is pinned, at its last address."""
        return self.connect(pinned_url(home, signed), keys, signed.contract.bureau.public_key)


@dataclass(frozen=True, kw_only=True)
class BureauOptions(ConnectionOptions):
    """The address of a bureau as well."""

    bureau: BureauUrlOption = None

    def connect_for(self, home: BankHome, keys: BankKeys, signed: SignedContract) -> BureauClient:
        """As ``ConnectionOptions.connect_for``, at the address that was given, if one was."""
        return self.connect(self.bureau or pinned_url(home, signed), keys, signed.contract.bureau.public_key)


@dataclass(frozen=True, kw_only=True)
class PortfolioOptions(BureauOptions):
    """A portfolio, and the contract that it is matched under."""

    portfolio: PortfolioArgument
    contract: ContractOption
    id_column: IdColumnOption = None
    processes: ProcessesOption = 0
