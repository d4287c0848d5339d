"""Requests for data: an organisation asks and withdraws, a steward answers, people of the bureau read.

``lab.bureau.data.requests`` decides what the person may do and see, and records every refusal.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.data.requests import (
    DataRequest,
    NewDataRequest,
    RequestAnswer,
    RequestedItem,
    RequestFilter,
    RequestState,
)
from lab.terms.bounded_types import Line, ReasonText
from lab.terms.contract.document import Operation, Purpose, ResultDetail
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.field_types import ModelRefText, RequestId
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.pages import PAGE_LIMIT, NextCursor, PageCursor, PageLimit, page_of, page_view
from sandbox.api.people.contract_examples import openapi_inlined_body
from sandbox.api.request_body import json_body
from sandbox.auth.person import CurrentPerson
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/requests", tags=["requests"])
RequestIdPath = Annotated[RequestId, Path(description="申请编号 / The request's id", examples=["r-20260101-1a2b3c4d"])]
ItemWord = Annotated[Line, Field(min_length=1, max_length=100)]
FORM_BYTES = 256 * 1024
_FORM_PROBLEMS = problem_responses("not-found", "conflict", "too-large", "unsupported-media")
_MOMENT = "2026-01-01T08:00:00Z"
_ITEM: dict[str, Any] = {
    "code": "tax.sales",
    "fate": "granted",
    "known": True,
    "zh": "销售额",
    "en": "sales",
    "domain": "tax",
    "grade": "sensitive",
    "sharing": "conditional",
    "forms": ["model-input"],
    "quality": "97.50",
    "barred": "",
}
_REQUEST: dict[str, Any] = {
    "request": "r-20260101-1a2b3c4d",
    "organisation": "示例银行",
    "asked_by": "chen.jie",
    "purpose": "对小微企业贷款申请评分 score loan applications of small firms",
    "use": "credit-approval",
    "models": ["credit"],
    "operations": ["match", "score"],
    "detail": "total",
    "days": 365,
    "state": "partly-granted",
    "asked_at": _MOMENT,
    "answered_at": "2026-01-06T08:00:00Z",
    "answered_by": "wang.fang",
    "reason": "居民用电数据不共享 household consumption is not shared",
    "contract": None,
    "asked": 2,
    "granted": 1,
    "items": [_ITEM, _ITEM | {"code": "utilities.cut_off", "fate": "refused", "barred": "it is not shared"}],
}
_FIGURES: dict[str, Any] = {
    "year": 2026,
    "requests": 3,
    "by_state": {"asked": 1, "granted": 1, "partly-granted": 0, "refused": 0, "withdrawn": 1, "contracted": 0},
    "organisations": 2,
    "items_asked": 10,
    "items_granted": 8,
    "items_waiting": 1,
    "demands_met": "80.0",
    "calendar_days": {"mean": "5.0", "median": "5.0", "longest": 5},
    "working_days": {"mean": "3.0", "median": "3.0", "longest": 3},
    "holidays_known": True,
}


class RequestedItemView(BaseModel):
    """An item of a request. ``known``: whether the bureau has it; ``barred``: why it cannot be granted."""

    code: str
    fate: str
    known: bool
    zh: str
    en: str
    domain: str
    grade: str
    sharing: str | None
    forms: list[str]
    quality: str | None
    barred: str


class DataRequestView(BaseModel):
    """A request for data, what it asks for and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})

    request: str
    organisation: str
    asked_by: str
    purpose: str
    use: str | None
    models: list[str]
    operations: list[str]
    detail: str | None
    days: int | None
    state: str
    asked_at: datetime
    answered_at: datetime | None
    answered_by: str | None
    reason: str | None
    contract: str | None
    asked: int
    granted: int
    items: list[RequestedItemView]


class DataRequestList(BaseModel):
    """Requests, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"requests": [_REQUEST], "next": None}]})

    requests: list[DataRequestView]
    next: NextCursor


class DaysTakenView(BaseModel):
    """How long answers took; decimal text to the tenth."""

    mean: str | None
    median: str | None
    longest: int | None


class RequestFiguresView(BaseModel):
    """Requests by state, and the share of items asked for that were granted (``demands_met``, per cent).

    ``holidays_known`` is false if working days of a year were counted without its public holidays."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FIGURES]})

    year: int | None
    requests: int
    by_state: dict[str, int]
    organisations: int
    items_asked: int
    items_granted: int
    items_waiting: int
    demands_met: str | None
    calendar_days: DaysTakenView
    working_days: DaysTakenView
    holidays_known: bool


class DataRequestForm(BaseModel):
    """The purpose in a sentence, items or whole domains by their codes, and what a contract should say."""

    model_config = ConfigDict(extra="forbid")

    purpose: Annotated[Line, Field(min_length=5, max_length=500)]
    items: Annotated[list[ItemWord], Field(max_length=500)] = []
    domains: Annotated[list[ItemWord], Field(max_length=100)] = []
    use: Purpose | None = None
    model: ModelRefText | None = None
    operations: Annotated[list[Operation], Field(min_length=1, max_length=len(Operation))] | None = None
    detail: ResultDetail | None = None
    days: Annotated[int, Field(ge=1, le=3660)] | None = None

    def to_request(self) -> NewDataRequest:
        """What the organisation asks."""
        options = DraftOptions(
            purpose=self.use,
            models=(self.model,) if self.model else None,
            operations=tuple(self.operations) if self.operations else None,
            detail=self.detail,
            days=self.days,
        )
        return NewDataRequest(self.purpose, tuple(self.items), tuple(self.domains), options)


class RequestAnswerForm(BaseModel):
    """Items to grant and to refuse: their codes, a domain's code, or ``all`` for every item not named."""

    model_config = ConfigDict(extra="forbid")

    grant: Annotated[list[ItemWord], Field(max_length=500)] = []
    refuse: Annotated[list[ItemWord], Field(max_length=500)] = []
    reason: ReasonText | None = None


class RequestWithdrawalForm(BaseModel):
    """Why the request is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonText


@router.get(
    "",
    operation_id="requests",
    summary="需求申请列表 / Requests for data",
    response_model=DataRequestList,
    responses=SIGNED_IN_PROBLEMS,
)
async def list_requests(
    person: CurrentPerson,
    service: Dependencies,
    state: Annotated[RequestState | None, Query(description="状态 / State")] = None,
    cursor: PageCursor = None,
    limit: PageLimit = PAGE_LIMIT,
) -> Any:
    """All of them for officers, stewards and auditors; an organisation sees its own."""
    asked = RequestFilter(state=state, after=cursor, limit=limit + 1)
    found = await run_in_threadpool(service.bureau.requests.list_requests, person, asked)
    page, following = page_of(found, limit, lambda one: one.id)
    return page_view("requests", [view_data_request(one) for one in page], following)


@router.get(
    "/figures",
    operation_id="request_figures",
    summary="需求满足情况 / Demands met",
    response_model=RequestFiguresView,
    responses=SIGNED_IN_PROBLEMS,
)
async def get_figures(
    person: CurrentPerson,
    service: Dependencies,
    year: Annotated[int | None, Query(ge=2000, le=2999, description="年份 / Asked in this year")] = None,
) -> Any:
    """For officers, stewards and auditors."""
    return (await run_in_threadpool(service.bureau.requests.figures, person, year)).as_dict()


@router.post(
    "",
    operation_id="ask_for_data",
    summary="提出需求 / Ask for data",
    response_model=DataRequestView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(
        DataRequestForm,
        {"purpose": _REQUEST["purpose"], "items": ["tax.sales"], "domains": ["utilities"], "use": "credit-approval"},
    ),
)
async def ask_for_data(
    person: CurrentPerson,
    service: Dependencies,
    form: Annotated[DataRequestForm, Depends(json_body(DataRequestForm, FORM_BYTES))],
) -> Any:
    """In the name of the organisation that is the department of the account. No enterprise may be named."""
    return view_data_request(await run_in_threadpool(service.bureau.requests.ask, person, form.to_request()))


@router.get(
    "/{request_id}",
    operation_id="request_for_data",
    summary="查看需求 / One request",
    response_model=DataRequestView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def get_request(person: CurrentPerson, service: Dependencies, request_id: RequestIdPath) -> Any:
    """Another organisation's request is not found."""
    return view_data_request(await run_in_threadpool(service.bureau.requests.find_request, person, request_id))


@router.post(
    "/{request_id}/answer",
    operation_id="answer_request",
    summary="答复需求 / Grant or refuse each item",
    response_model=DataRequestView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(
        RequestAnswerForm, {"grant": ["tax.sales"], "refuse": ["all"], "reason": _REQUEST["reason"]}
    ),
)
async def answer_request(
    person: CurrentPerson,
    service: Dependencies,
    request_id: RequestIdPath,
    form: Annotated[RequestAnswerForm, Depends(json_body(RequestAnswerForm, FORM_BYTES))],
) -> Any:
    """For stewards, once. What is refused needs a reason."""
    answer = RequestAnswer(tuple(form.grant), tuple(form.refuse), form.reason or "")
    return view_data_request(await run_in_threadpool(service.bureau.requests.answer, person, request_id, answer))


@router.post(
    "/{request_id}/withdraw",
    operation_id="withdraw_request",
    summary="撤回需求 / Withdraw a request",
    response_model=DataRequestView,
    responses=SIGNED_IN_PROBLEMS | _FORM_PROBLEMS,
    openapi_extra=openapi_inlined_body(RequestWithdrawalForm, {"reason": "不再需要 no longer needed"}),
)
async def withdraw_request(
    person: CurrentPerson,
    service: Dependencies,
    request_id: RequestIdPath,
    form: Annotated[RequestWithdrawalForm, Depends(json_body(RequestWithdrawalForm, FORM_BYTES))],
) -> Any:
    """Before it is answered, by the organisation that asked."""
    withdraw = service.bureau.requests.withdraw
    return view_data_request(await run_in_threadpool(withdraw, person, request_id, form.reason))


def view_data_request(found: DataRequest) -> dict[str, Any]:
    """The request as the service's JSON."""
    options = found.options
    return {
        "request": found.id,
        "organisation": found.organisation,
        "asked_by": found.asked_by,
        "purpose": found.purpose,
        "use": options.purpose,
        "models": list(options.models or ()),
        "operations": [one.value for one in options.operations or ()],
        "detail": options.detail,
        "days": options.days,
        "state": found.state.value,
        "asked_at": found.asked_at,
        "answered_at": found.answered_at,
        "answered_by": found.answered_by,
        "reason": found.reason,
        "contract": found.contract,
        "asked": len(found.items),
        "granted": len(found.codes("granted")),
        "items": [_view_item(one) for one in found.items],
    }


def _view_item(item: RequestedItem) -> dict[str, Any]:
    about = item.about
    words = {name: getattr(about, name) if about else "" for name in ("zh", "en", "domain", "grade", "barred")}
    held = {"code": item.code, "fate": item.fate, "known": about is not None}
    return held | words | {"sharing": item.sharing, "forms": list(item.forms), "quality": item.quality}
