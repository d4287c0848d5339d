"""``lab bank tidy``: what the bank keeps past its time, shown and removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import BankHomeOption, CaFile, InsecureHttp, JsonOption, open_bureau_client, open_keys
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import ShulabError, Unreachable

if TYPE_CHECKING:
    from lab.bank.connection.responses import ContractVersionStatus
    from lab.bank.keys import BankKeys
    from lab.bank.retention.overdue import RetainedItem

_STORED_KIND_LABELS = {
    "run": "运行 run",
    "unfinished-run": "未完成的运行 unfinished run",
    "evaluations": "求值 evaluations",
    "set-up": "匹配数据 set-up",
}
_REMOVAL_REASON_LABELS = {
    "retention": "保存期限已过 retention is over",
    "contract-ended": "合同已终止 contract has ended",
    "key-epoch-over": "密钥期已过 key epoch is over",
    "at-work": "作业进行中 a job is at work",
    "contract-unknown": "无法确认合同状态 not known whether the contract lives",
    "unlabelled": "来源不明 it does not say what it is of",
}


def tidy(
    remove: Annotated[
        bool, typer.Option("--remove", help="删除 Remove what is shown; without it nothing is removed.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="不联系数据局 Ask no bureau; what only a bureau can tell is kept.")
    ] = False,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """清理过期数据 Show what is kept past its time, and remove it with --remove.

    Runs go by their contract's retention; evaluations, set-ups and unfinished runs when their contract has ended, which
    the bureau is asked about. A living contract keeps what spares a second charge. Result files are yours to delete.
    """
    from lab.bank.retention.overdue import check_retention
    from lab.bank.retention.removal import remove_expired as remove_all

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    bureaus = None if offline else _ContractStateLookup(opened, open_keys(opened), ca_file, insecure_http)
    found = check_retention(opened, bureaus, now=datetime.now(UTC), progress=output.progress)
    due, doubtful = ([(kept, kept.size_bytes) for kept in some] for some in (found.due, found.on_hold))
    _show(output, "过期数据 Past its time", due)
    _show(output, "保留待定 Kept, in doubt", doubtful)
    for contract, why in (bureaus.unknown_contracts if bureaus else {}).items():
        output.say(f"无法确认合同状态 not known whether it lives: {contract}: {why}")
    removed = remove_all(opened, found.due, progress=output.progress) if remove else ()
    size = _size(sum(size for kept, size in due if not remove or kept in removed))
    if not due:
        output.say("没有过期数据 Nothing is past its time.")
    elif remove:
        output.say(f"已删除 removed: {len(removed)} / {len(due)}, {size}")
    else:
        output.say(f"尚未删除 Nothing was removed yet: {len(due)}, {size}. 删除 To remove: lab bank tidy --remove")
    output.print_result(
        {
            "due": [_facts(kept, size) | {"removed": kept in removed} for kept, size in due],
            "doubtful": [_facts(kept, size) for kept, size in doubtful],
        }
    )


def show_expired_reminder(output: CommandOutput, home: BankHome) -> None:
    """One line if anything is past its time, as far as that is known without a bureau."""
    from lab.bank.retention.overdue import check_retention

    due = check_retention(home, None, now=datetime.now(UTC)).due
    if due:
        output.say(f"有 {len(due)} 项数据已过期 {len(due)} kept past their time; see: lab bank tidy")


class _ContractStateLookup:
    """Where a contract stands at its bureau; ``silent``: the contracts of which that could not be learnt, and why."""

    def __init__(self, home: BankHome, keys: BankKeys, ca_file: Path | None, insecure_http: bool) -> None:
        self._home, self._keys, self._ca_file, self._insecure_http = home, keys, ca_file, insecure_http
        self.unknown_contracts: dict[str, str] = {}
        self._unreachable_bureaus: dict[str, Unreachable] = {}

    def __call__(self, contract: str) -> Sequence[ContractVersionStatus]:
        bureau = None
        try:
            signed = self._home.contract(contract)
            bureau = signed.contract.bureau.public_key
            if bureau in self._unreachable_bureaus:
                raise self._unreachable_bureaus[bureau]
            with open_bureau_client(self._home, self._keys, signed, None, self._ca_file, self._insecure_http) as client:
                return client.contract_versions(contract)
        except ShulabError as error:
            if isinstance(error, Unreachable) and bureau is not None:
                self._unreachable_bureaus[bureau] = error  # it would be waited for at each of its contracts
            self.unknown_contracts[contract] = error.detail
            raise


def _facts(kept: RetainedItem, size: int) -> dict[str, Any]:
    facts = {"sort": kept.kind.value, "name": kept.name, "contract": kept.contract, "reason": kept.reason.value}
    return facts | {"bytes": size}


def _show(output: CommandOutput, title: str, listed: Sequence[tuple[RetainedItem, int]]) -> None:
    if listed:
        output.table(
            title,
            ("内容 what", "名称 name", "合同 contract", "原因 why", "大小 size"),
            [
                (
                    _STORED_KIND_LABELS[kept.kind],
                    kept.name,
                    kept.contract or "",
                    _REMOVAL_REASON_LABELS[kept.reason],
                    _size(size),
                )
                for kept, size in listed
            ],
            whole="名称 name",
        )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
