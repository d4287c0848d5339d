"""``lab officer draft``, ``amend`` and ``import``: where a version of a contract comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from lab.cli.officer import draft_options as options
from lab.cli.officer.views import show_warnings
from lab.cli.terminal.fingerprint_prompt import prompt_fingerprint
from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
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
SubmitOption = Annotated[
    bool, typer.Option("--submit", help="立即提交 Hand it in at once, for another officer to review.")
]
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
    model: options.ModelsOption = None,
    detail: options.DetailOption = None,
    purpose: options.PurposeOption = None,
    operation: options.OperationsOption = None,
    recipient: options.RecipientsOption = None,
    item: options.ItemsOption = None,
    days: options.DaysOption = None,
    retention_days: options.RetentionDaysOption = None,
    consent: options.ConsentOption = None,
    consent_why: options.ConsentReasonOption = None,
    engine: options.EngineOption = None,
    parameters: options.ParametersOption = None,
    ceiling_identifiers: options.IdentifiersCeilingOption = None,
    ceiling_identifiers_per_match: options.PerMatchCeilingOption = None,
    ceiling_scores_per_enterprise: options.ScoresCeilingOption = None,
    period_days: options.PeriodDaysOption = None,
    ceiling_jobs_per_day: options.JobsCeilingOption = None,
    ceiling_rows_per_job: options.RowsPerJobCeilingOption = None,
    ceiling_rows_per_batch: options.RowsPerBatchCeilingOption = None,
    precision: options.PrecisionOption = None,
    fingerprint: BankFingerprintOption = None,
    witness: options.WitnessesOption = None,
    quorum: options.QuorumOption = None,
    submit: SubmitOption = False,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """起草合同 Draft a contract with a bank over published models. Signs nothing.

    新银行的密钥须核对指纹。 A bank whose key is new here is registered by the fingerprint that it told you.
    """
    out = CommandOutput(as_json)
    proposal = _read_plan(plan) if plan else None
    bank = _read_bank(bank_card, proposal)
    asked = options.parse_draft_options(context.params)
    if proposal:
        asked = asked.with_defaults(DraftOptions.from_proposal(proposal))
    if not asked.models:
        raise InvalidInput("Wanted a model; found none.", next_step="give --model NAME, or a plan with --from")
    form = {"bank": bank.model_dump(), "wishes": _draft_body(asked), "submit": submit}
    with ServiceClient.open(session) as desk:
        told = confirm_bank_fingerprint(desk, bank, fingerprint)
        made = desk.post("/v1/desk/contracts", form if told is None else form | {"fingerprint": told})
        own = _fingerprint(desk)
    _show_draft(out, made, own)


def amend(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")],
    model: options.ModelsOption = None,
    detail: options.DetailOption = None,
    purpose: options.PurposeOption = None,
    operation: options.OperationsOption = None,
    recipient: options.RecipientsOption = None,
    item: options.ItemsOption = None,
    days: options.DaysOption = None,
    retention_days: options.RetentionDaysOption = None,
    consent: options.ConsentOption = None,
    consent_why: options.ConsentReasonOption = None,
    engine: options.EngineOption = None,
    parameters: options.ParametersOption = None,
    ceiling_identifiers: options.IdentifiersCeilingOption = None,
    ceiling_identifiers_per_match: options.PerMatchCeilingOption = None,
    ceiling_scores_per_enterprise: options.ScoresCeilingOption = None,
    period_days: options.PeriodDaysOption = None,
    ceiling_jobs_per_day: options.JobsCeilingOption = None,
    ceiling_rows_per_job: options.RowsPerJobCeilingOption = None,
    ceiling_rows_per_batch: options.RowsPerBatchCeilingOption = None,
    precision: options.PrecisionOption = None,
    witness: options.WitnessesOption = None,
    quorum: options.QuorumOption = None,
    submit: SubmitOption = False,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """修订合同 Draft the next version: as the newest, but for what you say. Both must sign it again.

    未给出的条款不变;不给 --days 则到期日不变。 Terms you do not name stay as they are; without --days its end stays.
    """
    out = CommandOutput(as_json)
    asked = options.parse_draft_options(context.params)
    with ServiceClient.open(session) as desk:
        made = desk.post(f"{contract_url_path(contract)}/amend", {"wishes": _draft_body(asked), "submit": submit})
        fingerprint = _fingerprint(desk)
    _show_draft(out, made, fingerprint)


def import_contract(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="合同文件 A contract, or an ODRL Agreement (JSON-LD).")],
    fingerprint: BankFingerprintOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入合同 File a contract that was written elsewhere as your draft; its signatures are not taken over."""
    out = CommandOutput(as_json)
    if file.is_file() and file.stat().st_size > _DOCUMENT_BYTES:
        raise InvalidInput(
            f"Wanted a contract of at most {_DOCUMENT_BYTES} bytes; found more.", next_step="check the file"
        )
    with ServiceClient.open(session) as desk:
        made = desk.upload("/v1/desk/contracts/import", file, "application/json", fingerprint=fingerprint)
        own = _fingerprint(desk)
    _show_draft(out, made, own)


def confirm_bank_fingerprint(desk: ServiceClient, bank: Party, given: str | None) -> str | None:
    """The fingerprint that goes to the bureau with this bank's card: the one given, or else asked for if the key is new
    there; None for one that is known. Raises ``NotAuthentic`` if it is another key's."""
    if given is None:
        known = {key["public_key"] for one in desk.get("/v1/banks")["banks"] for key in one["keys"]}
        if bank.public_key in known:
            return None
        given = prompt_fingerprint("银行", "the bank")
    check_fingerprint(given, bank.public_key, whose="the bank")
    return given


def contract_url_path(contract: str) -> str:
    """Where a contract stands at the officers' desk."""
    return f"/v1/desk/contracts/{quote(contract, safe='')}"


def _show_draft(out: CommandOutput, made: dict[str, Any], fingerprint: str) -> None:
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
        out.say(VisibleText(f"            银行 the bank: lab bank sign {escape_hidden(contract)} --bureau URL"))
    out.print_result(made | {"fingerprint": fingerprint})


def _fingerprint(desk: ServiceClient) -> str:
    card = desk.get("/v1/bureau")
    return Party(name=card["name"], public_key=card["public_key"]).fingerprint


def _draft_body(wishes: DraftOptions) -> dict[str, Any]:
    return wishes.model_dump(mode="json", exclude_none=True)


def _read_plan(path: Path) -> ContractProposal:
    if not path.is_file():
        raise NotFound(f"Wanted a plan in file {path.name}; there is no such file.", next_step="check the path")
    return parse_proposal(path.read_bytes())


def _read_bank(card: Path | None, proposal: ContractProposal | None) -> Party:
    bank, planned = read_party_card(card) if card else None, proposal.bank if proposal else None
    if bank and planned and bank != planned:
        raise InvalidInput(
            "The card and the plan are of two banks, or of two keys.", next_step="ask the bank which is right"
        )
    found = bank or planned
    if found is None:
        raise InvalidInput("Wanted a bank; found none.", next_step="give --bank-card CARD.json, or a plan with --from")
    return found
