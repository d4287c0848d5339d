"""``lab officer draft``, ``amend`` and ``import``: where a version of a contract comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from lab.cli.officer import draft_options as options
from lab.cli.officer.views import show_warnings
from lab.cli.terminal.fingerprint_prompt import ask_fingerprint
from lab.cli.terminal.option_types import AsJson, SessionFile
from lab.cli.terminal.output import Output
from lab.sdk.client import Desk
from lab.terms.contract.draft_options import Wishes
from lab.terms.contract.proposal import Proposal, parse_proposal
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.keys.fingerprint import check_told
from lab.terms.keys.party import Party
from lab.terms.keys.party_card import read_card
from lab.terms.text.escaping import Shown, visible

BankFingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="银行指纹 The fingerprint of the bank's key, as the bank read it out to you [default: asked for if new].",
        show_default=False,
    ),
]
Submit = Annotated[bool, typer.Option("--submit", help="立即提交 Hand it in at once, for another officer to review.")]
_DOCUMENT_BYTES = 1024 * 1024


def draft(
    context: typer.Context,
    bank_card: Annotated[
        Path | None, typer.Option(help="银行名片 The bank's card (from `lab bank card`); a plan brings its own.")
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PLAN.json", help="银行计划 A bank's plan (from `lab bank plan`) to start from."
        ),
    ] = None,
    model: options.Models = None,
    detail: options.DetailOption = None,
    purpose: options.PurposeOption = None,
    operation: options.Operations = None,
    recipient: options.Recipients = None,
    item: options.Items = None,
    days: options.Days = None,
    retention_days: options.RetentionDays = None,
    consent: options.Consent = None,
    consent_why: options.ConsentWhy = None,
    engine: options.Engine = None,
    parameters: options.Parameters = None,
    ceiling_identifiers: options.CeilingIdentifiers = None,
    ceiling_identifiers_per_match: options.CeilingPerMatch = None,
    ceiling_scores_per_enterprise: options.CeilingScores = None,
    period_days: options.PeriodDays = None,
    ceiling_jobs_per_day: options.CeilingJobs = None,
    ceiling_rows_per_job: options.CeilingRowsPerJob = None,
    ceiling_rows_per_batch: options.CeilingRowsPerBatch = None,
    precision: options.Precision = None,
    fingerprint: BankFingerprint = None,
    witness: options.Witnesses = None,
    quorum: options.Quorum = None,
    submit: Submit = False,
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """起草合同 Draft a contract with a bank over published models. Signs nothing.

    新银行的密钥须核对指纹。 A bank whose key is new here is registered by the fingerprint that it told you.
    """
    out = Output(as_json)
    proposal = _read_plan(plan) if plan else None
    bank = _bank_of(bank_card, proposal)
    asked = options.gather(context.params)
    if proposal:
        asked = asked.over(Wishes.of_proposal(proposal))
    if not asked.models:
        raise InvalidInput("Wanted a model; found none.", next_step="give --model NAME, or a plan with --from")
    form = {"bank": bank.model_dump(), "wishes": _told(asked), "submit": submit}
    with Desk.open(session) as desk:
        told = told_of_bank(desk, bank, fingerprint)
        made = desk.post("/v1/desk/contracts", form if told is None else form | {"fingerprint": told})
        own = _fingerprint(desk)
    _announce(out, made, own)


def amend(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")],
    model: options.Models = None,
    detail: options.DetailOption = None,
    purpose: options.PurposeOption = None,
    operation: options.Operations = None,
    recipient: options.Recipients = None,
    item: options.Items = None,
    days: options.Days = None,
    retention_days: options.RetentionDays = None,
    consent: options.Consent = None,
    consent_why: options.ConsentWhy = None,
    engine: options.Engine = None,
    parameters: options.Parameters = None,
    ceiling_identifiers: options.CeilingIdentifiers = None,
    ceiling_identifiers_per_match: options.CeilingPerMatch = None,
    ceiling_scores_per_enterprise: options.CeilingScores = None,
    period_days: options.PeriodDays = None,
    ceiling_jobs_per_day: options.CeilingJobs = None,
    ceiling_rows_per_job: options.CeilingRowsPerJob = None,
    ceiling_rows_per_batch: options.CeilingRowsPerBatch = None,
    precision: options.Precision = None,
    witness: options.Witnesses = None,
    quorum: options.Quorum = None,
    submit: Submit = False,
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """修订合同 Draft the next version: as the newest, but for what you say. Both must sign it again.

    未给出的条款不变;不给 --days 则到期日不变。 Terms you do not name stay as they are; without --days its end stays.
    """
    out = Output(as_json)
    asked = options.gather(context.params)
    with Desk.open(session) as desk:
        made = desk.post(f"{desk_path(contract)}/amend", {"wishes": _told(asked), "submit": submit})
        fingerprint = _fingerprint(desk)
    _announce(out, made, fingerprint)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="合同文件 A contract, or an ODRL Agreement (JSON-LD).")],
    fingerprint: BankFingerprint = None,
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """导入合同 File a contract that was written elsewhere as your draft; its signatures are not taken over."""
    out = Output(as_json)
    if file.is_file() and file.stat().st_size > _DOCUMENT_BYTES:
        raise InvalidInput(
            f"Wanted a contract of at most {_DOCUMENT_BYTES} bytes; found more.", next_step="check the file"
        )
    with Desk.open(session) as desk:
        made = desk.upload("/v1/desk/contracts/import", file, "application/json", fingerprint=fingerprint)
        own = _fingerprint(desk)
    _announce(out, made, own)


def told_of_bank(desk: Desk, bank: Party, given: str | None) -> str | None:
    """The fingerprint that goes to the bureau with this bank's card: the one given, or else asked for if the key is new
    there; None for one that is known. Raises ``NotAuthentic`` if it is another key's."""
    if given is None:
        known = {key["public_key"] for one in desk.get("/v1/banks")["banks"] for key in one["keys"]}
        if bank.public_key in known:
            return None
        given = ask_fingerprint("银行", "the bank")
    check_told(given, bank.public_key, whose="the bank")
    return given


def desk_path(contract: str) -> str:
    """Where a contract stands at the officers' desk."""
    return f"/v1/desk/contracts/{quote(contract, safe='')}"


def _announce(out: Output, made: dict[str, Any], fingerprint: str) -> None:
    contract = made["contract"]
    models = ", ".join(made["models"])
    out.say(f"合同已起草 Drafted {contract} version {made['version']}: {made['bank']['name']}, {models}")
    out.say(f"数据局指纹 Fingerprint of this bureau: {fingerprint}")
    show_warnings(out, made)
    if made["officers_needed"] > 1:
        out.say("须两个部门的专员各自批准 It needs two other officers, of different departments.")
    if made["state"] == "draft":
        out.say(f"下一步 Next: lab officer submit {contract}")
    else:
        again = f"lab officer approve {contract} --version {made['version']}"
        out.say(f"下一步 Next: 另一位专员 another officer: {again};")
        out.say(Shown(f"            银行 the bank: lab bank sign {visible(contract)} --bureau URL"))
    out.result(made | {"fingerprint": fingerprint})


def _fingerprint(desk: Desk) -> str:
    card = desk.get("/v1/bureau")
    return Party(name=card["name"], public_key=card["public_key"]).fingerprint


def _told(wishes: Wishes) -> dict[str, Any]:
    return wishes.model_dump(mode="json", exclude_none=True)


def _read_plan(path: Path) -> Proposal:
    if not path.is_file():
        raise NotFound(f"Wanted a plan in file {path.name}; there is no such file.", next_step="check the path")
    return parse_proposal(path.read_bytes())


def _bank_of(card: Path | None, proposal: Proposal | None) -> Party:
    bank, planned = read_card(card) if card else None, proposal.bank if proposal else None
    if bank and planned and bank != planned:
        raise InvalidInput(
            "The card and the plan are of two banks, or of two keys.", next_step="ask the bank which is right"
        )
    found = bank or planned
    if found is None:
        raise InvalidInput("Wanted a bank; found none.", next_step="give --bank-card CARD.json, or a plan with --from")
    return found
