"""``lab bank tidy``: what the bank keeps past its time, shown and removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.bank.home import BankHome
from lab.cli.bank.options import ConnectionOptions, open_keys
from lab.cli.terminal.command_options import take_options
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
    "contract-ended": "合同已终止 the contract has ended",
    "key-epoch-over": "密钥期已过 the key epoch is over",
    "at-work": "作业进行中 a job is running",
    "contract-unknown": "无法确认合同状态 contract state unknown",
    "unlabelled": "来源不明 origin unknown",
}


@dataclass(frozen=True, kw_only=True)
class TidyOptions(ConnectionOptions):
    """What ``lab bank tidy`` takes."""

    remove: Annotated[
        bool, typer.Option("--remove", help="删除 Remove what is shown; without it nothing is removed.")
    ] = False
    offline: Annotated[
        bool, typer.Option("--offline", help="不联系数据局 Ask no bureau; what only a bureau can decide is kept.")
    ] = False


@take_options(TidyOptions)
def tidy(options: TidyOptions) -> None:
    """清理过期数据 Show what is kept past its time, and remove it with --remove.

    Runs are due when their contract's retention is over; evaluations, set-ups and unfinished runs when their contract
    has ended, which the bureau is asked about. Under a living contract, what saves a second charge is kept. Result
    files are yours to delete.
    """
    from lab.bank.retention.overdue import check_retention
    from lab.bank.retention.removal import remove_expired

    output, home = CommandOutput(options.as_json), options.open_home()
    lookup = None if options.offline else _ContractStateLookup(home, open_keys(home), options)
    found = check_retention(home, lookup, now=datetime.now(UTC), progress=output.progress)
    due, doubtful = (_with_sizes(items) for items in (found.due, found.on_hold))
    _show(output, "过期数据 Past its time", due)
    _show(output, "保留待定 Kept, in doubt", doubtful)
    for contract, why in (lookup.unknown_contracts if lookup else {}).items():
        output.say(f"无法确认合同状态 contract state unknown: {contract}: {why}")
    removed = remove_expired(home, found.due, progress=output.progress) if options.remove else None
    _say_outcome(output, due, removed)
    output.print_result(
        {
            "due": [_facts(item, size) | {"removed": item in (removed or ())} for item, size in due],
            "doubtful": [_facts(item, size) for item, size in doubtful],
        }
    )


def _with_sizes(items: Sequence[RetainedItem]) -> list[tuple[RetainedItem, int]]:
    """Each item with its size in bytes, measured before anything is removed."""
    return [(item, item.size_bytes) for item in items]


def _say_outcome(
    output: CommandOutput, due: Sequence[tuple[RetainedItem, int]], removed: Sequence[RetainedItem] | None
) -> None:
    """Say what was removed of ``due``; ``removed`` None: nothing was to be removed."""
    size = _size(sum(size for item, size in due if removed is None or item in removed))
    if not due:
        output.say("没有过期数据 Nothing is past its time.")
    elif removed is None:
        output.say(f"尚未删除 Nothing was removed yet: {len(due)}, {size}. 删除 To remove: lab bank tidy --remove")
    else:
        output.say(f"已删除 removed: {len(removed)} / {len(due)}, {size}")


def show_expired_reminder(output: CommandOutput, home: BankHome) -> None:
    """Say in one line that something is past its time, as far as is known without a bureau."""
    from lab.bank.retention.overdue import check_retention

    due = check_retention(home, None, now=datetime.now(UTC)).due
    if due:
        output.say(f"有 {len(due)} 项数据已过期 {len(due)} items are past their time; see: lab bank tidy")


class _ContractStateLookup:
    """Asks bureaus for the state of contracts; ``unknown_contracts``: those without an answer, and why."""

    def __init__(self, home: BankHome, keys: BankKeys, options: ConnectionOptions) -> None:
        self._home, self._keys, self._options = home, keys, options
        self.unknown_contracts: dict[str, str] = {}
        self._unreachable_bureaus: dict[str, Unreachable] = {}

    def __call__(self, contract: str) -> Sequence[ContractVersionStatus]:
        bureau = None
        try:
            signed = self._home.contract(contract)
            bureau = signed.contract.bureau.public_key
            if bureau in self._unreachable_bureaus:
                raise self._unreachable_bureaus[bureau]
            with self._options.connect_for(self._home, self._keys, signed) as client:
                return client.contract_versions(contract)
        except ShulabError as error:
            if isinstance(error, Unreachable) and bureau is not None:
                self._unreachable_bureaus[bureau] = error  # do not wait for it again at each of its contracts
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
