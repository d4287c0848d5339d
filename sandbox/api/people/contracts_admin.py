"""The officers' routes: contracts from the draft to their end.

Everybody who has signed in may call; ``lab.bureau.contract_administration`` decides what they may do, and records every
refusal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lab.terms.contract.document import SignedContract, parse_contract
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.name_warnings import find_name_warnings, warnings_as_dicts
from lab.terms.contract.odrl import from_odrl, to_odrl
from lab.terms.contract.plain_language import clause_label, diff_contracts
from lab.terms.contract_steps import officer_steps
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import EntryNumber, Line, ReasonText, VersionNumber
from lab.terms.fields.field_types import ContractId
from lab.terms.keys.party import Party
from lab.terms.text.visible_line import VisibleName
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.pages import PAGE_LIMIT, PageCursor, PageLimit, page_of, page_view
from sandbox.api.people.contract_examples import (
    AMENDMENT_FORM_EXAMPLE,
    BANK_FORM_EXAMPLE,
    CONTRACT_DETAIL_EXAMPLE,
    DRAFT_FORM_EXAMPLE,
    FINGERPRINT_EXAMPLE,
    STEP_FORM_EXAMPLE,
    openapi_inlined_body,
)
from sandbox.api.people.contract_views import (
    BankRegistrationView,
    ContractDetailView,
    ContractList,
    ContractSummaryView,
    DeliveryList,
    OfficerStepResult,
    VersionComparisonView,
    WatchReportView,
    view_contract_detail,
    view_contract_summary,
    view_step_result,
)
from sandbox.api.request_body import JSON_MEDIA, json_body, receive_body
from sandbox.auth.person import CurrentPerson
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/desk", tags=["desk"])
ContractIdPath = Annotated[
    ContractId, Path(description="合同编号 / The contract's id", examples=["c-20260101-1a2b3c4d"])
]
ContractVersionQuery = Annotated[
    VersionNumber | None, Query(description="版本 / Version; default: the one in force, or the newest")
]
FingerprintField = Annotated[
    Line | None,
    Field(
        max_length=100,
        description="指纹 / Of the bank's key, as the bank read it out; needed for a new key.",
    ),
]
DOCUMENT_BYTES = 1024 * 1024
"""Largest form or contract: one that names several thousand items."""
_FORM_PROBLEMS = problem_responses("not-found", "conflict", "too-large", "unsupported-media")


class OfficerStep(StrEnum):
    """What an officer may do with a version."""

    _ignore_ = "members step"
    members = vars()
    for step in officer_steps():
        members[step.action.upper().replace("-", "_")] = step.action


class _StrictForm(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ClausesForm(_StrictForm):
    """A form with a contract's clauses; refuses their earlier name with the present one."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_wishes(cls, body: Any) -> Any:
        if isinstance(body, dict) and "wishes" in body:
            raise InvalidInput("Expected the member `clauses`; found `wishes`.", next_step="rename wishes to clauses")
        return body


class BankCardForm(Party):
    """A bank's card, whose name shows all that it holds."""

    name: VisibleName

    @property
    def party(self) -> Party:
        """The bank as a party of contracts."""
        return Party(name=self.name, public_key=self.public_key)


class ContractDraftForm(_ClausesForm):
    """A contract to draft: with which bank, its clauses, and whether to submit it at once. With a granted request for
    data among the clauses, the bank may be left out: it is the organisation that asked."""

    bank: BankCardForm | None = None
    clauses: DraftOptions
    fingerprint: FingerprintField = None
    submit: bool = False


class BankRegistrationForm(BankCardForm):
    """A bank's card, and the fingerprint of its key if the key is new here."""

    stated_fingerprint: Annotated[FingerprintField, Field(alias="fingerprint")] = None


class ContractAmendmentForm(_ClausesForm):
    """The next version of a contract: the clauses that change."""

    clauses: DraftOptions
    submit: bool = False


class OfficerStepForm(_StrictForm):
    """A step of one version (default: the newest that has the step; an amendment is approved by its number only). Some
    steps need a reason, which the ledger keeps; it names no enterprise."""

    reason: ReasonText | None = None
    version: VersionNumber | None = None


@router.get(
    "/contracts",
    operation_id="desk_contracts",
    summary="合同列表 / All contracts",
    response_model=ContractList,
    responses=SIGNED_IN_PROBLEMS,
)
async def list_contracts(
    person: CurrentPerson, service: Dependencies, cursor: PageCursor = None, limit: PageLimit = PAGE_LIMIT
) -> Any:
    """For officers, stewards and auditors."""
    read = service.bureau.contracts.list_contracts
    found = await run_in_threadpool(read, person, after=cursor, limit=limit + 1)
    page, following = page_of(found, limit, lambda one: one[0].contract.id)
    return page_view("contracts", [view_contract_summary(version, state) for version, state in page], following)


@router.post(
    "/contracts",
    operation_id="desk_draft",
    summary="起草合同 / Draft a contract",
    response_model=ContractSummaryView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(ContractDraftForm, DRAFT_FORM_EXAMPLE),
)
async def draft_contract(
    person: CurrentPerson,
    service: Dependencies,
    form: Annotated[ContractDraftForm, Depends(json_body(ContractDraftForm, DOCUMENT_BYTES))],
) -> Any:
    """Over published models. A bank whose key is new here is registered by its fingerprint. Signs nothing."""
    draft = service.bureau.contracts.draft
    submit, fingerprint = form.submit, form.fingerprint
    bank = form.bank.party if form.bank is not None else None
    return view_contract_summary(
        await run_in_threadpool(draft, person, bank, form.clauses, submit=submit, fingerprint=fingerprint)
    )


@router.post(
    "/contracts/import",
    operation_id="desk_import",
    summary="导入合同文本 / Import a contract that was written elsewhere",
    response_model=ContractSummaryView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A signed contract, or an ODRL 2.2 Agreement in JSON-LD with our profile.",
            "content": {JSON_MEDIA: {"schema": {"type": "object"}, "example": CONTRACT_DETAIL_EXAMPLE["signed"]}},
        }
    },
)
async def import_contract(
    request: Request,
    person: CurrentPerson,
    service: Dependencies,
    fingerprint: Annotated[Line | None, Query(max_length=100, description="指纹 / As in a draft.")] = None,
) -> Any:
    """As a draft by the person who calls; signatures in it are dropped."""
    idle = service.settings.body_idle_seconds
    body = await receive_body(request, cap=DOCUMENT_BYTES, idle=idle, media=JSON_MEDIA)
    signed = await run_in_threadpool(_read_contract, body)
    return view_contract_summary(
        await run_in_threadpool(service.bureau.contracts.import_contract, person, signed, fingerprint=fingerprint)
    )


@router.get(
    "/contracts/{contract_id}",
    operation_id="desk_contract",
    summary="查看合同 / One version of a contract",
    response_model=ContractDetailView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def get_contract_detail(
    person: CurrentPerson, service: Dependencies, contract_id: ContractIdPath, version: ContractVersionQuery = None
) -> Any:
    """Clauses, signatures and approvals, all versions, and the allowance."""
    shown = await run_in_threadpool(service.bureau.contracts.contract_overview, person, contract_id, version)
    return JSONResponse(view_contract_detail(shown))


@router.get(
    "/contracts/{contract_id}/diff",
    operation_id="desk_diff",
    summary="与上一批准版本比较 / Changes since the last approved version",
    response_model=VersionComparisonView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def compare_versions(
    person: CurrentPerson, service: Dependencies, contract_id: ContractIdPath, version: ContractVersionQuery = None
) -> Any:
    """The changes in plain Chinese and English."""
    older, newer = await run_in_threadpool(service.bureau.contracts.versions_to_compare, person, contract_id, version)
    changes = []
    for change in diff_contracts(older.contract, newer.contract) if older else []:
        zh, en = clause_label(change.clause)
        words = {"term": change.clause, "label_zh": zh, "label_en": en, "zh": change.zh, "en": change.en}
        changes.append(words | {"widens": change.widens})
    against = older.version if older else None
    warnings = warnings_as_dicts(find_name_warnings(newer.contract, older.contract if older else None))
    found = {"contract": contract_id, "version": newer.version, "against": against, "changes": changes}
    return found | {"warnings": warnings}


@router.get(
    "/contracts/{contract_id}/export",
    operation_id="desk_export",
    summary="导出合同 / The document as a file",
    response_class=Response,
    responses=SIGNED_IN_PROBLEMS
    | problem_responses("not-found")
    | {
        200: {
            "description": "The signed contract, or an ODRL 2.2 Agreement in JSON-LD.",
            "content": {JSON_MEDIA: {"schema": {"type": "object"}, "example": CONTRACT_DETAIL_EXAMPLE["signed"]}},
        }
    },
)
async def export_contract(
    person: CurrentPerson,
    service: Dependencies,
    contract_id: ContractIdPath,
    version: ContractVersionQuery = None,
    form: Annotated[Literal["signed", "odrl"], Query(description="格式 / Form")] = "signed",
) -> Response:
    """The ledger records the export."""
    signed = await run_in_threadpool(service.bureau.contracts.export, person, contract_id, version)
    if form == "signed":
        return JSONResponse(signed.model_dump(mode="json", by_alias=True))
    return JSONResponse(await run_in_threadpool(to_odrl, signed))


@router.get(
    "/contracts/{contract_id}/delivered",
    operation_id="desk_delivered",
    summary="已交付的结果 / What was delivered",
    response_model=DeliveryList,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def list_deliveries(
    person: CurrentPerson,
    service: Dependencies,
    contract_id: ContractIdPath,
    cursor: Annotated[EntryNumber | None, Query(description="续页 `next` of the page before.")] = None,
    limit: PageLimit = PAGE_LIMIT,
) -> Any:
    """Of all versions, for the notice to the bank after a suspension or an end."""
    read = service.bureau.contracts.list_deliveries
    found = await run_in_threadpool(read, person, contract_id, after=cursor or 0, limit=limit + 1)
    page, following = page_of(found, limit, lambda one: one.entry)
    return {"contract": contract_id} | page_view("delivered", [one.as_dict() for one in page], following)


@router.post(
    "/contracts/{contract_id}/amend",
    operation_id="desk_amend",
    summary="修订合同 / Draft the next version",
    response_model=ContractSummaryView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(ContractAmendmentForm, AMENDMENT_FORM_EXAMPLE),
)
async def amend_contract(
    person: CurrentPerson,
    service: Dependencies,
    contract_id: ContractIdPath,
    form: Annotated[ContractAmendmentForm, Depends(json_body(ContractAmendmentForm, DOCUMENT_BYTES))],
) -> Any:
    """As the newest version except for these clauses. That version stays in force until both parties sign the next."""
    contracts = service.bureau.contracts
    return view_contract_summary(
        await run_in_threadpool(contracts.amend, person, contract_id, form.clauses, submit=form.submit)
    )


@router.post(
    "/contracts/{contract_id}/steps/{step}",
    operation_id="desk_step",
    summary=f"合同流转 / {', '.join(step.value for step in OfficerStep).capitalize()}",
    response_model=OfficerStepResult,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(OfficerStepForm, STEP_FORM_EXAMPLE),
)
async def take_step(
    person: CurrentPerson,
    service: Dependencies,
    contract_id: ContractIdPath,
    step: OfficerStep,
    form: Annotated[OfficerStepForm, Depends(json_body(OfficerStepForm, DOCUMENT_BYTES))],
) -> Any:
    """Approving a submitted version first takes it into review."""
    take = service.bureau.contracts.take_step
    reason, version = form.reason, form.version
    return view_step_result(
        await run_in_threadpool(take, person, contract_id, step.value, version=version, reason=reason)
    )


@router.get(
    "/watch",
    operation_id="desk_watch",
    summary="监测 / Signs of probing",
    response_model=WatchReportView,
    responses=SIGNED_IN_PROBLEMS,
)
async def get_watch_report(person: CurrentPerson, service: Dependencies) -> Any:
    """For officers and auditors. A finding has counts and no enterprise; by itself it stops nothing."""
    findings, rules = await run_in_threadpool(service.bureau.contracts.monitoring_report, person)
    return {"findings": [one.as_dict() for one in findings], "rules": rules}


@router.post(
    "/banks",
    operation_id="desk_register_bank",
    summary="登记银行 / Register a bank by its card",
    response_model=BankRegistrationView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(BankRegistrationForm, BANK_FORM_EXAMPLE | {"fingerprint": FINGERPRINT_EXAMPLE}),
)
async def register_bank(
    person: CurrentPerson,
    service: Dependencies,
    form: Annotated[BankRegistrationForm, Depends(json_body(BankRegistrationForm, DOCUMENT_BYTES))],
) -> Any:
    """Registering the same card again changes nothing."""
    card, register = form.party, service.bureau.contracts.register_bank
    return {"bank": await run_in_threadpool(register, person, card, fingerprint=form.stated_fingerprint)}


def _read_contract(body: bytes) -> SignedContract:
    return from_odrl(body) if b'"@context"' in body else parse_contract(body)
