"""Consents, for stewards: import a file, withdraw, count, and list those of one enterprise.

An enterprise's code is sent only in a body, so that no URL and no log contains it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from lab.bureau.data.consents import ConsentImport, describe_reason
from lab.bureau.people import AccountHolder, Permission
from lab.terms.contract.document import Purpose
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import EnterpriseCode, Line, ReasonText
from lab.terms.names import IdKind
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.request_body import json_body, openapi_json_body, receive_body_to_file
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/consents", tags=["consents"])
ConsentReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_CONSENTS))]
ConsentManager = Annotated[AccountHolder, Depends(require_permission(Permission.MANAGE_CONSENTS))]
CSV_MEDIA = "text/csv"
MAX_ROWS_LISTED = 1_000
"""Largest number of rejected rows in a response; the file in the bureau's folder has all of them."""
WITHDRAWAL_BYTES = 8 * 1024 * 1024
_KIND = Query(description="代码类型 / Kind of the codes", examples=["uscc"])
_BANK = {"bank": "示例银行", "bank_id": "b-0123456789ab", "purpose": "credit-approval"}


class SetAsideReasonView(BaseModel):
    """A reason why rows were set aside, and how many."""

    reason: str
    count: int
    zh: str
    en: str


class SetAsideRowView(BaseModel):
    """A row that was set aside; the header is row 1."""

    row: int
    reason: str


class ConsentImportView(BaseModel):
    """The result of an import. ``duplicates`` were imported before; ``aside`` lists up to a thousand rejected rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": 5000,
                    "imported": 4998,
                    "duplicates": 1,
                    "signed": 0,
                    "set_aside": 1,
                    "reasons": [{"reason": "bank", "count": 1, "zh": "银行未在此登记", "en": "no such bank"}],
                    "aside": [{"row": 17, "reason": "bank"}],
                    "file_sha256": "66" * 32,
                    "encoding": "utf-8",
                    "warnings": [],
                }
            ]
        }
    )

    rows: int
    imported: int
    duplicates: int
    signed: int
    set_aside: int
    reasons: list[SetAsideReasonView]
    aside: list[SetAsideRowView]
    file_sha256: str
    encoding: str
    warnings: list[str]


class ConsentWithdrawalForm(BaseModel):
    """The enterprises that withdraw, the bank (name or id; null: all), the purpose (null: all), and the reason."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"codes": ["firm-0001"], "bank": "示例银行", "reason": "asked in writing"}]},
    )

    codes: Annotated[list[EnterpriseCode], Field(min_length=1, max_length=200_000)]
    id_kind: IdKind = "uscc"
    bank: Annotated[Line, Field(max_length=200)] | None = None
    purpose: Annotated[Line, Field(max_length=64)] | None = None
    reason: ReasonText


class ConsentWithdrawalView(BaseModel):
    """What was withdrawn. Enterprises without a consent to withdraw are not counted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enterprises": 1, "consents": 2}]})

    enterprises: int
    consents: int


class ConsentTallyView(BaseModel):
    """The present counts of consents to one bank for one purpose."""

    bank: str
    bank_id: str
    purpose: str
    enterprises: int
    active: int
    to_come: Annotated[int, Field(validation_alias=AliasChoices("upcoming", "to_come"))]
    over: Annotated[int, Field(validation_alias=AliasChoices("expired", "over"))]
    withdrawn: int


class ConsentTallyList(BaseModel):
    """Counts of consents by bank and purpose."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"consents": [_BANK | {"enterprises": 9, "active": 9, "to_come": 1, "over": 2, "withdrawn": 3}]}
            ]
        }
    )

    consents: list[ConsentTallyView]


class EnterpriseConsentsForm(BaseModel):
    """The enterprise's code. It is in the body, so that no URL or log contains it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "firm-0001"}]})

    code: EnterpriseCode
    id_kind: IdKind = "uscc"


class ConsentView(BaseModel):
    """One consent. ``verifies``: whether the enterprise's signature is valid; null if it has none."""

    id: str
    bank: str
    purpose: str
    starts: datetime
    expires: datetime
    state: str
    reference: str
    verifies: Annotated[bool | None, Field(validation_alias=AliasChoices("signature_valid", "verifies"))]
    imported_at: datetime
    withdrawn_at: datetime | None


class EnterpriseConsentList(BaseModel):
    """All consents of one enterprise, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "consents": [
                        {
                            "id": "77" * 32,
                            "bank": "示例银行",
                            "purpose": "credit-approval",
                            "starts": "2026-01-01T00:00:00Z",
                            "expires": "2027-01-01T00:00:00Z",
                            "state": "active",
                            "reference": "授权书 2026-000123",
                            "verifies": None,
                            "imported_at": "2026-01-01T08:00:00Z",
                            "withdrawn_at": None,
                        }
                    ]
                }
            ]
        }
    )

    consents: list[ConsentView]


@router.get(
    "",
    operation_id="consents",
    summary="授权统计 / Consents by bank and purpose",
    response_model=ConsentTallyList,
    responses=SIGNED_IN_PROBLEMS,
)
async def tally_consents(person: ConsentReader, service: Dependencies) -> Any:
    """For stewards, officers and auditors."""
    return {"consents": await run_in_threadpool(service.bureau.consents.summary)}


@router.post(
    "",
    operation_id="import_consents",
    summary="导入授权 / Import a file of consents",
    response_model=ConsentImportView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("busy", "too-large", "unsupported-media"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "CSV; `lab steward consent template` prints its columns.",
            "content": {CSV_MEDIA: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def import_consents(
    request: Request, person: ConsentManager, service: Dependencies, id_kind: Annotated[IdKind, _KIND] = "uscc"
) -> Any:
    """Valid rows take effect at once; importing the same file again adds nothing."""
    consents, settings = service.bureau.consents, service.settings
    service.heavy_work_limit.check("")
    with consents.incoming_file() as path:
        with path.open("wb") as file:
            await receive_body_to_file(
                request, file, cap=settings.consent_bytes, idle=settings.body_idle_seconds, media=CSV_MEDIA
            )
        async with service.heavy_work_limit.acquire(wait=True) as slot:
            found = await slot.run(consents.import_file, path, by=person.actor, id_kind=id_kind)
    return _view_import(found)


@router.post(
    "/withdrawals",
    operation_id="withdraw_consents",
    summary="撤回授权 / Withdraw consents",
    response_model=ConsentWithdrawalView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(ConsentWithdrawalForm),
)
async def withdraw_consents(
    person: ConsentManager,
    service: Dependencies,
    form: Annotated[ConsentWithdrawalForm, Depends(json_body(ConsentWithdrawalForm, WITHDRAWAL_BYTES))],
) -> Any:
    """After this response, nothing is matched or scored under these consents."""
    if form.purpose is not None and form.purpose not in set(Purpose):
        raise InvalidInput(f"Expected one of the purposes {', '.join(Purpose)}.", next_step="check the purpose")
    return await run_in_threadpool(
        service.bureau.consents.withdraw,
        form.codes,
        reason=form.reason,
        by=person.actor,
        bank=form.bank,
        purpose=None if form.purpose is None else Purpose(form.purpose),
        id_kind=form.id_kind,
    )


@router.post(
    "/enterprise",
    operation_id="consents_of_enterprise",
    summary="单户企业的授权 / The consents of one enterprise",
    response_model=EnterpriseConsentList,
    responses=SIGNED_IN_PROBLEMS | problem_responses("too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(EnterpriseConsentsForm),
)
async def list_enterprise_consents(
    person: ConsentReader,
    service: Dependencies,
    form: Annotated[EnterpriseConsentsForm, Depends(json_body(EnterpriseConsentsForm))],
) -> Any:
    """The signatures are verified again."""
    found = await run_in_threadpool(service.bureau.consents.list_for_enterprise, form.code, id_kind=form.id_kind)
    return {"consents": found}


def _view_import(found: ConsentImport) -> dict[str, Any]:
    counted = sorted(found.rejection_counts.items(), key=lambda pair: -pair[1])
    descriptions = {reason: describe_reason(reason) for reason, _ in counted}
    return {
        "rows": found.rows,
        "imported": found.imported,
        "duplicates": found.duplicates,
        "signed": found.signed,
        "set_aside": len(found.set_aside_rows),
        "reasons": [
            {"reason": reason, "count": count, "zh": descriptions[reason][0], "en": descriptions[reason][1]}
            for reason, count in counted
        ],
        "aside": [{"row": row, "reason": reason} for row, reason in found.set_aside_rows[:MAX_ROWS_LISTED]],
        "file_sha256": found.file_sha256,
        "encoding": found.encoding,
        "warnings": list(found.warnings),
    }
