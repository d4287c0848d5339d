"""What the officers' desk answers with: contracts in short and in full, deliveries, changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lab.bureau.contract_administration import Shown, Stopped
from lab.bureau.contracts.lifecycle import Held
from lab.bureau.contracts.workflow import State
from lab.terms.contract.document import SignedContract
from lab.terms.contract.name_warnings import as_dicts, oddities
from sandbox.api.people.contract_examples import CHANGE, CONTRACT, DELIVERY, DETAIL, FINDING, RULE


class ApprovalView(BaseModel):
    """One officer's approval."""

    account: str
    department: str
    approved_at: datetime


class BankOf(BaseModel):
    """The bank of a contract."""

    id: str
    name: str
    fingerprint: str


class WarningView(BaseModel):
    """Something odd about a name in the contract, for whoever approves it: look-alikes, letters of unusual scripts."""

    term: str
    zh: str
    en: str


class ContractLine(BaseModel):
    """One version of a contract in short."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT]})

    contract: str
    version: int
    state: State
    bank: BankOf
    models: list[str]
    purpose: str
    detail: str
    starts: datetime
    expires: datetime
    sha256: str
    drafted_by: str
    drafted_at: datetime
    reviewer: str | None
    officers_needed: int
    approvals: list[ApprovalView]
    signed_by_bank: bool
    signed_by_bureau: bool
    warnings: list[WarningView]


class ContractList(BaseModel):
    """Every contract, newest first, by its version in force or its newest."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"contracts": [CONTRACT]}]})

    contracts: list[ContractLine]


class ContractDetail(ContractLine):
    """One version: the signed document, all versions in short, and what is used and left."""

    model_config = ConfigDict(json_schema_extra={"examples": [DETAIL]})

    signed: SignedContract
    versions: list[ContractLine]
    allowance: dict[str, Any]


class DeliveryView(BaseModel):
    """One result that left the bureau."""

    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY]})

    what: Literal["match", "scores"]
    at: str
    job: str
    recipient: str
    model: str
    rows: int
    entry: int


class Deliveries(BaseModel):
    """What left the bureau under a contract so far, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"contract": "c-1", "delivered": [DELIVERY]}]})

    contract: str
    delivered: list[DeliveryView]


class Stepped(ContractLine):
    """The version after a step. Where the step stopped or ended a contract: how many jobs stopped with it, and what had
    been delivered before, for the notice that must follow."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT | {"stopped_jobs": 1, "delivered": [DELIVERY]}]})

    stopped_jobs: int | None = None
    delivered: list[DeliveryView] | None = None


class ChangeView(BaseModel):
    """One term that differs; ``widens`` is null where it cannot be said."""

    term: str
    label_zh: str
    label_en: str
    zh: str
    en: str
    widens: bool | None


class Comparison(BaseModel):
    """What a version changes of the last one approved before it; ``against`` is null when there is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"contract": "c-1", "version": 2, "against": 1, "changes": [CHANGE], "warnings": []}]
        }
    )

    contract: str
    version: int
    against: int | None
    changes: list[ChangeView]
    warnings: list[WarningView]


class Registered(BaseModel):
    """The id of the bank of a card."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"bank": "b-0123456789ab"}]})

    bank: str


class FindingView(BaseModel):
    """A rule that a contract's use has tripped; ``entry`` is null until the next sweep records it."""

    contract: str
    bank: str
    rule: str
    zh: str
    en: str
    found: int
    limit: int
    days: int | None
    since: datetime | None
    entry: int | None
    step: Literal["look", "suspend"]
    next_step: str


class RuleView(BaseModel):
    """A rule of the watch: a count that is a finding above its limit, within so many days (null: ever)."""

    code: str
    zh: str
    en: str
    counts: str
    limit: int
    days: int | None
    step: Literal["look", "suspend"]


class Watching(BaseModel):
    """What the rules find now, by contract, and the rules."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"findings": [FINDING], "rules": [RULE]}]})

    findings: list[FindingView]
    rules: list[RuleView]


def view_line(held: Held, standing: State | None = None) -> dict[str, Any]:
    """A version in short."""
    contract = held.contract
    return {
        "contract": contract.id,
        "version": held.version,
        "state": (standing or held.state).value,
        "bank": {"id": held.bank_id, "name": contract.bank.name, "fingerprint": contract.bank.fingerprint},
        "models": [str(model) for model in contract.models],
        "purpose": contract.purpose.value,
        "detail": contract.detail.value,
        "starts": _told(contract.starts),
        "expires": _told(contract.expires),
        "sha256": contract.sha256,
        "drafted_by": held.drafted_by,
        "drafted_at": _told(held.drafted_at),
        "reviewer": held.reviewer,
        "officers_needed": held.officers_needed,
        "approvals": [
            {"account": one.account, "department": one.department, "approved_at": _told(one.approved_at)}
            for one in held.approvals
        ],
        "signed_by_bank": held.signed.bank_signature is not None,
        "signed_by_bureau": held.signed.bureau_signature is not None,
        "warnings": as_dicts(oddities(contract)),
    }


def view_detail(shown: Shown) -> dict[str, Any]:
    """A version in full."""
    return view_line(shown.held, shown.standing) | {
        "signed": shown.held.signed.model_dump(mode="json", by_alias=True),
        "versions": [view_line(held, state) for held, state in shown.versions],
        "allowance": shown.allowance,
    }


def view_stopped(stopped: Stopped) -> dict[str, Any]:
    """A version after it was stopped or ended."""
    told = [one.as_dict() for one in stopped.delivered]
    return view_line(stopped.held) | {"stopped_jobs": stopped.jobs, "delivered": told}


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
