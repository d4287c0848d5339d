"""What a person sees of a contract: by the product, and by an earlier version of its code, re-created here.

A screen of 80 columns is read back by the frames of its tables: the lines of a cell are joined again, so that a test
can search for the cell's text, without the spaces and line ends at which a table breaks.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from lab.bank.home import BankHome
from lab.cli.bank import contracts
from lab.cli.officer import commands
from lab.cli.terminal.output import CommandOutput, SafeConsole
from lab.sdk.client import ServiceClient
from lab.terms.contract.document import Contract, SignedContract
from lab.terms.contract.name_warnings import find_name_warnings, warnings_as_dicts
from lab.terms.contract.odrl import to_odrl
from lab.terms.contract.plain_language import ClauseChange, clause_label, diff_contracts, render_clauses
from lab.terms.text.escaping import dump_visible_json, escape_hidden

WIDTH = 80
_BARS = "│┃"
Rows = Sequence[tuple[object, ...]]


def former_table(rows: Rows) -> str:
    """A table as ``rich`` drew it when its cells were strings: markup, emoji codes and controls go through."""
    file = io.StringIO()
    table = Table(title="合同 Contract", title_justify="left", header_style="bold")
    for column in ("条款 term", "中文", "English")[: len(rows[0])]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(file=file, width=WIDTH, highlight=False).print(table)
    return file.getvalue()


def former_name(text: str) -> str:
    """A name as clauses had it: printable characters were unchanged, and ``rich`` read them as markup."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def former_screen(contract: Contract) -> str:
    """The recipients of a contract, as the earlier version showed them."""
    names = [former_name(name) for name in contract.recipients]
    zh, en = (
        f"结果只能交给银行的：{'、'.join(names)}。",
        f"In the bank, only these may receive results: {', '.join(names)}.",
    )
    return former_table([("接收方 recipients", zh, en)])


def on_screen(show: Callable[[CommandOutput], object]) -> str:
    """All that a command prints, at 80 columns."""
    output, file = CommandOutput(), io.StringIO()
    output.page = output.notes = SafeConsole(file=file, width=WIDTH)
    show(output)
    return file.getvalue()


def signing_screen(contract: Contract) -> str:
    """What `lab bank sign` and `lab bank contract` show of a contract."""
    return on_screen(lambda output: contracts.show_clauses(output, contract))


def change_screen(old: Contract, new: Contract, home: BankHome) -> str:
    """What `lab bank sign` shows of an amendment of a contract that this bank signed."""
    home.store_contract(SignedContract(contract=old))
    return on_screen(lambda output: contracts.show_changes_since_signed(output, home, new))


class Answering:
    """A service client with one contract, whose responses are as the service's."""

    def __init__(self, contract: Contract, former: Contract | None = None) -> None:
        from lab.bureau.contract_administration import ContractOverview
        from lab.bureau.contracts.repository import ContractVersion
        from lab.bureau.contracts.workflow import ContractState
        from sandbox.api.people.contract_views import view_contract_detail, view_contract_summary
        from tests.support.bureau_scene import START

        version = ContractVersion(
            SignedContract(contract=contract), ContractState.UNDER_REVIEW, 1, "b-1", "ann", START, None, 1, ()
        )
        self.line = view_contract_summary(version)
        count = {"ceiling": 1, "used": 0, "left": 1}
        allowance = {"identifiers": count, "scores": count | {"period_days": 1}, "jobs": count}
        self.detail = view_contract_detail(
            ContractOverview(version, ContractState.UNDER_REVIEW, ((version, ContractState.UNDER_REVIEW),), allowance)
        )
        changes = [_change_view(change) for change in diff_contracts(former, contract)] if former else []
        warnings = warnings_as_dicts(find_name_warnings(contract, former))
        self.comparison = {"version": 2, "against": 1, "changes": changes, "warnings": warnings}
        self.steps: list[str] = []

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None: ...

    def get(self, path: str, **_: Any) -> Any:
        if path.endswith("/diff"):
            return self.comparison
        return {"contracts": [self.line]} if path == "/v1/desk/contracts" else self.detail

    def step(self, contract_id: str, action: str, **_: Any) -> Any:
        self.steps.append(action)
        return self.line | {"stopped_jobs": None, "delivered": None}


def _change_view(change: ClauseChange) -> dict[str, Any]:
    zh, en = clause_label(change.clause)
    view = {"term": change.clause, "label_zh": zh, "label_en": en, "zh": str(change.zh), "en": str(change.en)}
    return view | {"widens": change.widens}


def officers_screen(monkeypatch: pytest.MonkeyPatch, client: Answering, act: Callable[[], object]) -> str:
    """What an officer's command prints at 80 columns when ``client`` responds."""
    file = io.StringIO()

    def output(as_json: bool = False) -> CommandOutput:
        made = CommandOutput(as_json)
        made.page = made.notes = SafeConsole(file=file, width=WIDTH)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(commands, "CommandOutput", output)
        patch.setattr(ServiceClient, "open", lambda session: client)
        act()
    return file.getvalue()


def unwrapped(screen: str) -> str:
    """The cells of the tables on a screen, each joined from its lines, and the text outside of tables; without spaces.

    A table that is too wide for the screen is a list, which is text outside of tables.
    """
    cells: list[list[str]] = []
    found, outside = [], []
    for line in screen.split("\n"):
        if line[:1] in _BARS and line[:1]:
            parts = line.replace("┃", "│").split("│")[1:-1]
            cells = cells or [[] for _ in parts]
            for cell, part in zip(cells, parts, strict=True):
                cell.append(part)
        else:
            found += ["".join(cell) for cell in cells]
            cells = []
            outside.append(line)
    # Rows without a rule between them are joined, so a test searches the text of a whole column.
    return "\n".join(bare(cell) for cell in [*found, "".join(outside)])


def bare(text: str) -> str:
    """Text without plain spaces and line ends, as tables break lines there."""
    return text.replace(" ", "").replace("\n", "")


def everywhere(contract: Contract) -> dict[str, str]:
    """The places where a person reads a contract's text, without spaces."""
    return {
        "screen": unwrapped(signing_screen(contract)),
        "plain": bare("".join(f"{one.zh}{one.en}" for one in render_clauses(contract))),
        "odrl": bare(dump_visible_json(to_odrl(SignedContract(contract=contract)))),
    }


def written_out(text: str) -> str:
    """A text as it must be shown, without spaces."""
    return bare(escape_hidden(text))
