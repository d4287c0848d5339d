"""Credit repair and objections, for stewards: open a case about an adverse record, list, show and decide cases.

An enterprise's code is sent only in a body, so that no URL and no log contains it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.data.credit_repair import CaseDetails, CaseKind, CaseRequest, CaseState, WantedRecord
from lab.bureau.people import AccountHolder, Permission
from lab.terms.bounded_types import DayText, EnterpriseCode, Line, ReasonText
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.pages import PAGE_LIMIT, NextCursor, PageCursor, PageLimit, page_of, page_view
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/repairs", tags=["repairs"])
RepairReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_REPAIRS))]
RepairManager = Annotated[AccountHolder, Depends(require_permission(Permission.MANAGE_REPAIRS))]
_CASE_PATTERN = r"^[a-z]-[0-9a-f]{12}$"
CasePath = Annotated[str, Path(pattern=_CASE_PATTERN, description="案号 / The case", examples=["r-0123456789ab"])]
_KIND_PATTERN = r"^(repair|objection)$"
KindQuery = Annotated[
    Annotated[str, Field(pattern=_KIND_PATTERN)] | None,
    Query(description="案件种类 / repair or objection; without it, both.", examples=["repair"]),
]
_CASE: dict[str, Any] = {
    "id": "r-0123456789ab",
    "kind": "repair",
    "domain": "penalties",
    "record": "00112233445566778899aabbccddeeff",
    "state": "open",
    "opened_on": "2026-09-24",
    "opened_by": "person:wang.fang",
    "due_on": "2026-10-15",
    "due_certain": True,
    "evidence": "修复申请 2026-0007",
    "grounds": "fine paid, defect put right",
    "decided_on": None,
    "decided_by": None,
    "reason": None,
    "days_left": 21,
    "late": False,
}


class RepairCaseView(BaseModel):
    """A case: the record is named by its hash. ``days_left``: to the due day, negative when late; null once decided.

    ``due_certain`` is false if the holidays of a year of the term were not known.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_CASE]})

    id: str
    kind: str
    domain: str
    record: str
    state: str
    opened_on: date
    opened_by: str
    due_on: date
    due_certain: bool
    evidence: str
    grounds: str
    decided_on: date | None
    decided_by: str | None
    reason: str | None
    days_left: int | None
    late: bool


class RecordStandingView(BaseModel):
    """Where a case's record stands today: its class and terms, and whether it counts. Days are null where unknown."""

    model_config = ConfigDict(populate_by_name=True)

    class_code: Annotated[str, Field(alias="class")]
    class_zh: str
    class_en: str
    standing: str
    counts: bool
    started: date | None
    repairable_from: date | None
    counts_until: date | None
    corrected: date | None


class RepairCaseDetailsView(RepairCaseView):
    """A case and where its record stands; ``record_now`` is null, with ``why``, if the store has no such record now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _CASE
                | {
                    "record_now": {
                        "class": "ordinary",
                        "class_zh": "一般",
                        "class_en": "ordinary",
                        "standing": "counts",
                        "counts": True,
                        "started": "2026-05-06",
                        "repairable_from": "2026-08-07",
                        "counts_until": "2027-05-06",
                        "corrected": "2026-06-01",
                    },
                    "why": "",
                }
            ]
        }
    )

    record_now: RecordStandingView | None
    why: str


class RepairCaseList(BaseModel):
    """Cases by the day they are due."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cases": [_CASE], "next": None}]})

    cases: list[RepairCaseView]
    next: NextCursor = None


class RepairCaseForm(BaseModel):
    """A request for repair or an objection, about the record with this id, or of this enterprise with this key.

    ``evidence`` says where the papers are kept, ``grounds`` what is asked; neither may hold an enterprise's code.
    ``corrected_on`` and ``commitment``: what the papers show, for a repair.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "repair",
                    "domain": "penalties",
                    "enterprise": "firm-0001",
                    "keys": {"decision_number": "2026-罚-17"},
                    "evidence": "修复申请 2026-0007",
                    "grounds": "fine paid, defect put right",
                    "corrected_on": "2026-06-01",
                    "commitment": True,
                }
            ]
        },
    )

    kind: Annotated[str, Field(pattern=_KIND_PATTERN)]
    domain: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    record: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    enterprise: EnterpriseCode | None = None
    keys: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Annotated[Line, Field(max_length=200)]],
        Field(max_length=8),
    ] = Field(default_factory=dict)
    evidence: ReasonText
    grounds: ReasonText
    corrected_on: DayText | None = None
    commitment: bool = False


class RepairDecisionForm(BaseModel):
    """The end of a case, with its reasons: granted or refused (repair), upheld or rejected (objection)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"outcome": "granted", "reason": "all duties are done"}]}
    )

    outcome: Annotated[str, Field(pattern=r"^(granted|refused|upheld|rejected)$")]
    reason: ReasonText


@router.get(
    "",
    operation_id="repair_cases",
    summary="信用修复与异议案件 / Cases of credit repair and objection",
    response_model=RepairCaseList,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def list_repair_cases(
    person: RepairReader,
    service: Dependencies,
    kind: KindQuery = None,
    open_only: Annotated[bool, Query(description="仅办理中 / Only open ones")] = False,
    late_only: Annotated[bool, Query(description="仅逾期 / Only open ones whose legal days are over")] = False,
    cursor: PageCursor = None,
    limit: PageLimit = PAGE_LIMIT,
) -> Any:
    """By the day they are due; for stewards, officers and auditors."""
    found = await run_in_threadpool(
        service.bureau.repairs.list_cases,
        kind=None if kind is None else CaseKind(kind),
        open_only=open_only,
        late_only=late_only,
        after=cursor or "",
        limit=limit + 1,
    )
    page, following = page_of(found, limit, lambda one: one.id)
    return page_view("cases", [one.as_dict() for one in page], following)


@router.post(
    "",
    operation_id="open_repair_case",
    summary="提出信用修复或异议 / Ask for a repair, or object",
    response_model=RepairCaseView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(RepairCaseForm),
)
async def open_repair_case(
    person: RepairManager, service: Dependencies, form: Annotated[RepairCaseForm, Depends(json_body(RepairCaseForm))]
) -> Any:
    """An objection freezes the record at once: no new score counts it while the case is open."""
    request = CaseRequest(
        kind=CaseKind(form.kind),
        wanted=WantedRecord(form.domain, form.record, form.enterprise or "", form.keys),
        evidence=form.evidence,
        grounds=form.grounds,
        corrected_on=None if form.corrected_on is None else date.fromisoformat(form.corrected_on),
        commitment=form.commitment,
    )
    opened: CaseDetails = await run_in_threadpool(service.bureau.repairs.open_case, request, by=person.actor)
    return opened.as_dict()


@router.get(
    "/{case}",
    operation_id="repair_case",
    summary="一件案件 / One case",
    response_model=RepairCaseDetailsView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def show_repair_case(person: RepairReader, service: Dependencies, case: CasePath) -> Any:
    """With the class and the terms of its record, and whether it counts today."""
    return await run_in_threadpool(service.bureau.repairs.show, case)


@router.post(
    "/{case}/decision",
    operation_id="decide_repair_case",
    summary="作出决定 / Decide a case",
    response_model=RepairCaseView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(RepairDecisionForm),
)
async def decide_repair_case(
    person: RepairManager,
    service: Dependencies,
    case: CasePath,
    form: Annotated[RepairDecisionForm, Depends(json_body(RepairDecisionForm))],
) -> Any:
    """From today a repaired record, or one that an upheld objection is about, does not count."""
    decided: CaseDetails = await run_in_threadpool(
        service.bureau.repairs.decide, case, CaseState(form.outcome), reason=form.reason, by=person.actor
    )
    return decided.as_dict()
