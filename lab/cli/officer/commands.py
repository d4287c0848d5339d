"""``lab officer``: contracts at the bureau, from the draft to their end, through its service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.officer import drafts
from lab.cli.officer.drafts import BankFingerprintOption, confirm_bank_fingerprint, contract_url_path
from lab.cli.officer.meter import meter
from lab.cli.officer.sign_in import AsOption, ServiceUrlOption, open_client
from lab.cli.officer.views import (
    label_state,
    show_allowance,
    show_deliveries,
    show_missing_steps,
    show_notice_to_bank,
    show_version_status,
    show_warnings,
    show_watch_findings,
)
from lab.cli.terminal.option_types import DespiteWarningsOption, JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.contract.document import parse_contract
from lab.terms.contract.plain_language import clause_label, render_clauses
from lab.terms.contract_steps import officer_steps
from lab.terms.errors import Conflict, InvalidInput
from lab.terms.keys.party_card import read_party_card
from lab.terms.text.escaping import VisibleText, dump_visible_json, join_visible_lines

HELP = "数据专员 For data officers: contracts, from the draft to their end."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
app.command("draft")(drafts.draft)
app.command("amend")(drafts.amend)
app.command("import")(drafts.import_contract)
app.command("meter")(meter)

ContractIdArgument = Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")]
VersionOption = Annotated[
    int | None, typer.Option(min=1, help="版本 Version [default: the newest that the step applies to].")
]
ReasonOption = Annotated[str, typer.Option(help="原因 Why; kept in the ledger. Name no enterprise.")]

_APPROVABLE_STATES = ("submitted", "under-review")


@app.callback()
def group() -> None:
    """数据专员 For data officers: contracts, from the draft to their end.

    先登录。 Sign in first: lab account sign-in NAME --service URL
    """


def approve(
    contract: ContractIdArgument,
    version: VersionOption = None,
    despite_warnings: DespiteWarningsOption = False,
    account: AsOption = None,
    service: ServiceUrlOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the warnings of the version to approve, ask, and approve it."""
    out = CommandOutput(as_json)
    with open_client(out, session, account, service) as client:
        found = client.get(contract_url_path(contract), version=version)
        newest = next((one for one in found["versions"] if one["state"] in _APPROVABLE_STATES), found)
        chosen = newest if version is None else found
        if version is None and chosen["version"] > 1:
            raise InvalidInput(
                f"Expected the number of the version that you have read; contract {contract} has been amended.",
                next_step=f"read it (lab officer show {contract}), then approve with --version N",
            )
        show_warnings(out, chosen)
        if chosen["warnings"] and not despite_warnings:
            out.require_confirmation("仍要批准? Approve it nevertheless?")
    _take_step("approve", contract, chosen["version"], None, session, as_json, warned=True)


def _step_command(action: str, *, needs_reason: bool) -> Callable[..., None]:
    """The command of a step that needs no confirmation."""

    def take(
        contract: ContractIdArgument,
        version: VersionOption = None,
        session: SessionFileOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _take_step(action, contract, version, None, session, as_json)

    def take_with_reason(
        contract: ContractIdArgument,
        reason: ReasonOption,
        version: VersionOption = None,
        session: SessionFileOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _take_step(action, contract, version, reason, session, as_json)

    return take_with_reason if needs_reason else take


for _step in officer_steps():
    _command = approve if _step.action == "approve" else _step_command(_step.action, needs_reason=_step.needs_reason)
    app.command(_step.action, help=_step.help)(_command)


@app.command("list")
def list_contracts(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """列出合同 List contracts, newest first."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/desk/contracts", "contracts")
    rows = found["contracts"]
    if rows:
        out.table(
            "合同 Contracts",
            ("编号 id", "版本 version", "状态 state", "银行 bank", "模型 models", "到期 expires"),
            [
                (
                    row["contract"],
                    row["version"],
                    label_state(row),
                    row["bank"]["name"],
                    ", ".join(row["models"]),
                    row["expires"][:10],
                )
                for row in rows
            ],
        )
    else:
        out.say("还没有合同 No contracts yet. 下一步 Next: lab officer draft")
    out.print_result(found)


@app.command()
def show(
    contract: ContractIdArgument,
    version: VersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看合同 Show a contract: clauses in plain words, signatures, approvals, and the allowance."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get(contract_url_path(contract), version=version)
    document = parse_contract(json.dumps(found["signed"]), kept=True).contract
    out.table(
        f"合同 Contract {contract}, 版本 version {found['version']}",
        ("条款 term", "中文", "English"),
        [
            (join_visible_lines(clause_label(clause.clause)), clause.zh, clause.en)
            for clause in render_clauses(document)
        ],
    )
    show_version_status(out, found)
    show_allowance(out, found["allowance"])
    show_warnings(out, found)
    out.print_result(found)


@app.command()
def diff(
    contract: ContractIdArgument,
    version: VersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """比较 Show what a version (default: the newest) changes from the last one approved before it."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get(f"{contract_url_path(contract)}/diff", version=version)
    if found["against"] is None:
        out.say(f"此前没有批准的版本 No version was approved before {found['version']}: 全文 all of it is new")
        out.say(f"下一步 Next: lab officer show {contract} --version {found['version']}")
    elif not found["changes"]:
        out.say(f"无变化 Version {found['version']} says the same as {found['against']}")
    else:
        effects = {True: "放宽 wider", False: "收紧 narrower", None: "不同 different"}
        out.table(
            f"合同 Contract {contract}: {found['against']} → {found['version']}",
            ("条款 term", "", "中文", "English"),
            [
                (
                    join_visible_lines((one["label_zh"], one["label_en"])),
                    effects[one["widens"]],
                    VisibleText(one["zh"]),
                    VisibleText(one["en"]),
                )
                for one in found["changes"]
            ],
        )
    show_warnings(out, found)
    out.print_result(found)


@app.command()
def export(
    contract: ContractIdArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="文件 File to write.")],
    odrl: Annotated[bool, typer.Option("--odrl", help="ODRL 2.2 (JSON-LD) As a W3C ODRL Agreement.")] = False,
    version: VersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导出合同 Write the signed document to a file; the ledger records it."""
    out = CommandOutput(as_json)
    if file.exists():
        raise Conflict(f"Expected to write {file.name}; it exists already.", next_step="choose another name")
    form = "odrl" if odrl else "signed"
    with ServiceClient.open(session) as client:
        found = client.get(f"{contract_url_path(contract)}/export", version=version, form=form)
    file.write_text(dump_visible_json(found, indent=1) + "\n", encoding="utf-8")
    out.say(f"已导出 Written: {file}")
    out.print_result({"contract": contract, "form": form, "file": str(file)})


@app.command()
def delivered(contract: ContractIdArgument, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """已交付 List what was delivered under a contract so far, for the notice to the bank."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, f"{contract_url_path(contract)}/delivered", "delivered")
    show_deliveries(out, contract, found["delivered"])
    out.print_result(found)


@app.command()
def watch(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """监测 List contracts whose use shows signs of probing the model. It stops nothing; officers do."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/desk/watch")
    show_watch_findings(out, found)
    out.print_result(found)


@app.command()
def banks(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """银行 List the banks and their keys."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/banks", "banks")
    out.table(
        "银行 Banks",
        ("编号 id", "名称 name", "密钥指纹 key", "状态 state"),
        [
            (bank["bank"], bank["name"], key["fingerprint"], key["state"])
            for bank in found["banks"]
            for key in bank["keys"]
        ],
    )
    out.print_result(found)


@app.command("register-bank")
def register_bank(
    card: Annotated[Path, typer.Argument(metavar="CARD", help="银行名片 The bank's card (from `lab bank card`).")],
    fingerprint: BankFingerprintOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记银行 Register a bank before any contract, so that it can plan; confirm its key by its fingerprint."""
    out = CommandOutput(as_json)
    party = read_party_card(card)
    with ServiceClient.open(session) as client:
        confirmed = confirm_bank_fingerprint(client, party, fingerprint)
        body = party.model_dump()
        found = client.post("/v1/desk/banks", body if confirmed is None else body | {"fingerprint": confirmed})
    out.say(f"已登记 Registered {party.name} as {found['bank']}, 指纹 fingerprint {party.fingerprint}")
    out.print_result(found | {"name": party.name, "fingerprint": party.fingerprint})


def _take_step(
    step: str,
    contract: str,
    version: int | None,
    reason: str | None,
    session: Path | None,
    as_json: bool,
    *,
    warned: bool = False,
) -> None:
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.step(contract, step, version=version, reason=reason)
    if not warned:
        show_warnings(out, found)
    out.say(f"合同 Contract {contract}, 版本 version {found['version']}: {label_state(found)}")
    show_missing_steps(out, found)
    if found["stopped_jobs"] is not None:
        out.say(f"停止的作业 Jobs stopped: {found['stopped_jobs']}")
        show_notice_to_bank(out, step, reason or "", found)
    out.print_result(found)
