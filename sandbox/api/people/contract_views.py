"""Responses of the officers' routes: contracts in short and in full, deliveries, changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lab.bureau.contract_administration import ContractOverview, ContractStepResult
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.contracts.workflow import ContractState
from lab.terms.contract.document import SignedContract
from lab.terms.contract.name_warnings import find_name_warnings, warnings_as_dicts
from sandbox.api.pages import NextCursor
from sandbox.api.people.contract_examples import (
    CLAUSE_CHANGE_EXAMPLE,
    CONTRACT_DETAIL_EXAMPLE,
    CONTRACT_SUMMARY_EXAMPLE,
    DELIVERY_EXAMPLE,
    WATCH_FINDING_EXAMPLE,
    WATCH_RULE_EXAMPLE,
)


class ContractApprovalView(BaseModel):
    """One officer's approval."""

    account: str
    department: str
    approved_at: datetime


class ContractBankView(BaseModel):
    """The bank of a contract."""

    id: str
    name: str
    fingerprint: str


class ContractWarningView(BaseModel):
    """A warning about a name in the contract: look-alike characters, or letters of unusual scripts."""

    term: str
    zh: str
    en: str


class ContractSummaryView(BaseModel):
    """One version of a contract in short."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT_SUMMARY_EXAMPLE]})

    contract: str
    version: int
    state: ContractState
    bank: ContractBankView
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
    approvals: list[ContractApprovalView]
    signed_by_bank: bool
    signed_by_bureau: bool
    warnings: list[ContractWarningView]


class ContractList(BaseModel):
    """Contracts, newest first; each by its version in force, or else its newest."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"contracts": [CONTRACT_SUMMARY_EXAMPLE], "next": None}]})

    contracts: list[ContractSummaryView]
    next: NextCursor = None


class ContractDetailView(ContractSummaryView):
    """One version: the signed document, all versions in short, and what is used and left."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT_DETAIL_EXAMPLE]})

    signed: SignedContract
    versions: list[ContractSummaryView]
    allowance: dict[str, Any]


class DeliveryView(BaseModel):
    """One result that left the bureau."""

    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY_EXAMPLE]})

    what: Literal["match", "scores"]
    at: str
    job: str
    recipient: str
    model: str
    rows: int
    entry: int


class DeliveryList(BaseModel):
    """What left the bureau under a contract so far, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"contract": "c-1", "delivered": [DELIVERY_EXAMPLE], "next": None}]}
    )

    contract: str
    delivered: list[DeliveryView]
    next: NextCursor = None


class OfficerStepResult(ContractSummaryView):
    """The version after a step. If the step stopped or ended the contract: how many jobs it stopped, and what had been
    delivered before, for the notice to the bank."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [CONTRACT_SUMMARY_EXAMPLE | {"stopped_jobs": 1, "delivered": [DELIVERY_EXAMPLE]}]
        }
    )

    stopped_jobs: int | None = None
    delivered: list[DeliveryView] | None = None


class ClauseChangeView(BaseModel):
    """One clause that differs. ``widens``: whether it allows more; null if that cannot be decided."""

    term: str
    label_zh: str
    label_en: str
    zh: str
    en: str
    widens: bool | None


class VersionComparisonView(BaseModel):
    """The differences from the last version approved before; ``against`` is null if there is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"contract": "c-1", "version": 2, "against": 1, "changes": [CLAUSE_CHANGE_EXAMPLE], "warnings": []}
            ]
        }
    )

    contract: str
    version: int
    against: int | None
    changes: list[ClauseChangeView]
    warnings: list[ContractWarningView]


class BankRegistrationView(BaseModel):
    """The id of the registered bank."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"bank": "b-0123456789ab"}]})

    bank: str


class WatchFindingView(BaseModel):
    """A rule whose limit a contract's use exceeds; ``entry`` is null until the next sweep records it."""

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


class WatchRuleView(BaseModel):
    """A rule of the watch: a count above ``limit`` within ``days`` (null: ever) is a finding."""

    code: str
    zh: str
    en: str
    counts: str
    limit: int
    days: int | None
    step: Literal["look", "suspend"]


class WatchReportView(BaseModel):
    """The present findings by contract, and the rules."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"findings": [WATCH_FINDING_EXAMPLE], "rules": [WATCH_RULE_EXAMPLE]}]}
    )

    findings: list[WatchFindingView]
    rules: list[WatchRuleView]


def view_contract_summary(version: ContractVersion, state: ContractState | None = None) -> dict[str, Any]:
    """A version in short; ``state`` replaces the recorded one, as for an expired contract."""
    contract = version.contract
    return {
        "contract": contract.id,
        "version": version.version,
        "state": (state or version.state).value,
        "bank": {"id": version.bank_id, "name": contract.bank.name, "fingerprint": contract.bank.fingerprint},
        "models": [str(model) for model in contract.models],
        "purpose": contract.purpose.value,
        "detail": contract.detail.value,
        "starts": _format_moment(contract.starts),
        "expires": _format_moment(contract.expires),
        "sha256": contract.sha256,
        "drafted_by": version.drafted_by,
        "drafted_at": _format_moment(version.drafted_at),
        "reviewer": version.reviewer,
        "officers_needed": version.officers_needed,
        "approvals": [
            {"account": one.account, "department": one.department, "approved_at": _format_moment(one.approved_at)}
            for one in version.approvals
        ],
        "signed_by_bank": version.signed.bank_signature is not None,
        "signed_by_bureau": version.signed.bureau_signature is not None,
        "warnings": warnings_as_dicts(find_name_warnings(contract)),
    }


def view_contract_detail(overview: ContractOverview) -> dict[str, Any]:
    """A version in full."""
    return view_contract_summary(overview.contract_version, overview.state) | {
        "signed": overview.contract_version.signed.model_dump(mode="json", by_alias=True),
        "versions": [view_contract_summary(version, state) for version, state in overview.versions],
        "allowance": overview.allowance,
    }


def view_step_result(result: ContractStepResult) -> dict[str, Any]:
    """A version after a step."""
    summary = view_contract_summary(result.contract_version)
    if result.deliveries is None:
        return summary
    delivered = [one.as_dict() for one in result.deliveries]
    return summary | {"stopped_jobs": result.stopped_jobs, "delivered": delivered}


def _format_moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
