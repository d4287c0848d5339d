"""``lab officer draft``, ``amend`` and ``import``: the three ways to start a version of a contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from lab.cli.officer.draft_options import ClauseOptions, WitnessOptions, parse_draft_options
from lab.cli.officer.sign_in import SignInOptions, open_client
from lab.cli.officer.views import show_warnings
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.fingerprint_prompt import prompt_fingerprint
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.proposal import ContractProposal, parse_proposal
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.keys.party import Party
from lab.terms.keys.party_card import read_party_card
from lab.terms.text.escaping import VisibleText, escape_hidden

BankFingerprintOption = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="银行指纹 The fingerprint of the bank's key, as the bank read it out to you [default: asked for if new].",
        show_default=False,
    ),
]
_DOCUMENT_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BankKeyOptions:
    """How the officer confirms the key of a new bank."""

    fingerprint: BankFingerprintOption = None


@dataclass(frozen=True, kw_only=True)
class SubmitOptions(SignInOptions):
    """Whether the version is submitted at once, and where it is drafted."""

    submit: Annotated[
        bool, typer.Option("--submit", help="立即提交 Submit it at once, for another officer to review.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class DraftCommandOptions(ClauseOptions, BankKeyOptions, WitnessOptions, SubmitOptions):
    """Options of ``lab officer draft``."""

    bank_card: Annotated[
        Path | None, typer.Option(help="银行名片 The bank's card (from `lab bank card`); a plan brings its own.")
    ] = None
    plan: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PLAN.json", help="银行计划 A bank's plan (from `lab bank plan`) to start from."
        ),
    ] = None
    request: Annotated[
        str | None,
        typer.Option(
            "--request",
            metavar="REQUEST",
            help="数据需求 A granted request for data to carry out: bank, purpose, items and model come from it.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AmendCommandOptions(ClauseOptions, WitnessOptions, SubmitOptions):
    """Options of ``lab officer amend``."""

    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")]


@take_options(DraftCommandOptions)
def draft(options: DraftCommandOptions) -> None:
    """起草合同 Draft a contract with a bank over published models. Signs nothing.

    新银行的密钥须核对指纹。 If the bank's key is new here, give the fingerprint that the bank read out to you.
    """
    out = CommandOutput(options.as_json)
    proposal = _read_plan(options.plan) if options.plan else None
    bank = _read_bank(options.bank_card, proposal, needed=options.request is None)
    asked = parse_draft_options(options, options, options.request)
    if proposal:
        asked = asked.with_defaults(DraftOptions.from_proposal(proposal))
    if not asked.models and options.request is None:
        raise InvalidInput("Expected a model; found none.", next_step="give --model NAME, or a plan with --from")
    body: dict[str, Any] = {"clauses": _draft_body(asked), "submit": options.submit}
    if bank is not None:
        body["bank"] = bank.model_dump()
    with open_client(out, options.session, options.account, options.service) as client:
        confirmed = confirm_bank_fingerprint(client, bank, options.fingerprint) if bank is not None else None
        drafted = client.post("/v1/desk/contracts", body if confirmed is None else body | {"fingerprint": confirmed})
        own = _fingerprint(client)
    _show_draft(out, drafted, own)


@take_options(AmendCommandOptions)
def amend(options: AmendCommandOptions) -> None:
    """修订合同 Draft the next version: as the newest, except for what you say. Both parties must sign it again.

    未给出的条款不变;不给 --days 则到期日不变。 Clauses that you do not name stay as they are; without --days the end
    date stays.
    """
    out = CommandOutput(options.as_json)
    body = {"clauses": _draft_body(parse_draft_options(options, options)), "submit": options.submit}
    with open_client(out, options.session, options.account, options.service) as client:
        drafted = client.post(f"{contract_url_path(options.contract)}/amend", body)
        fingerprint = _fingerprint(client)
    _show_draft(out, drafted, fingerprint)


def import_contract(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="合同文件 A contract, or an ODRL Agreement (JSON-LD).")],
    fingerprint: BankFingerprintOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入合同 Import a contract that was written elsewhere as your draft; its signatures are dropped."""
    out = CommandOutput(as_json)
    if file.is_file() and file.stat().st_size > _DOCUMENT_BYTES:
        raise InvalidInput(
            f"Expected a contract of at most {_DOCUMENT_BYTES} bytes; found more.", next_step="check the file"
        )
    with ServiceClient.open(session) as client:
        made = client.upload("/v1/desk/contracts/import", file, "application/json", fingerprint=fingerprint)
        own = _fingerprint(client)
    _show_draft(out, made, own)


def confirm_bank_fingerprint(client: ServiceClient, bank: Party, fingerprint: str | None) -> str | None:
    """The fingerprint to send with the bank's card; asked for if none is given and the key is new to the bureau.

    Returns None if the bureau knows the key. Raises ``NotAuthentic`` if the fingerprint is another key's.
    """
    if fingerprint is None:
        known = {key["public_key"] for one in get_all(client, "/v1/banks", "banks")["banks"] for key in one["keys"]}
        if bank.public_key in known:
            return None
        fingerprint = prompt_fingerprint("银行", "the bank")
    check_fingerprint(fingerprint, bank.public_key, whose="the bank")
    return fingerprint


def contract_url_path(contract: str) -> str:
    """The path of a contract in the service."""
    return f"/v1/desk/contracts/{quote(contract, safe='')}"


def _show_draft(out: CommandOutput, made: dict[str, Any], fingerprint: str) -> None:
    contract = made["contract"]
    models = ", ".join(made["models"])
    out.say(f"合同已起草 Drafted {contract} version {made['version']}: {made['bank']['name']}, {models}")
    out.say(f"数据局指纹 Fingerprint of this bureau: {fingerprint}")
    show_warnings(out, made)
    if made["officers_needed"] > 1:
        out.say("须由两个不同部门的专员分别批准 Two other officers, of different departments, must approve it.")
    if made["state"] == "draft":
        out.say(f"下一步 Next: lab officer submit {contract}")
    else:
        again = f"lab officer approve {contract} --version {made['version']}"
        out.say(f"下一步 Next: 另一位专员 another officer: {again};")
        out.say(VisibleText(f"            银行 the bank: lab bank sign {escape_hidden(contract)} --bureau URL"))
    out.print_result(made | {"fingerprint": fingerprint})


def _fingerprint(client: ServiceClient) -> str:
    card = client.get("/v1/bureau")
    return Party(name=card["name"], public_key=card["public_key"]).fingerprint


def _draft_body(asked: DraftOptions) -> dict[str, Any]:
    return asked.model_dump(mode="json", exclude_none=True)


def _read_plan(path: Path) -> ContractProposal:
    if not path.is_file():
        raise NotFound(f"Expected a plan in file {path.name}; there is no such file.", next_step="check the path")
    return parse_proposal(path.read_bytes())


def _read_bank(card: Path | None, proposal: ContractProposal | None, *, needed: bool) -> Party | None:
    bank, planned = read_party_card(card) if card else None, proposal.bank if proposal else None
    if bank and planned and bank != planned:
        raise InvalidInput(
            "Expected one bank and one key; found two in the card and the plan.",
            next_step="ask the bank which is right",
        )
    found = bank or planned
    if found is None and needed:
        raise InvalidInput(
            "Expected a bank; found none.", next_step="give --bank-card CARD.json, or a plan with --from"
        )
    return found
