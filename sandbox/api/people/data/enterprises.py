"""One enterprise's records, for stewards. The code is sent only in a body, so that no URL and no log contains it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from lab.bureau.data.enterprises import EnterpriseLook
from lab.bureau.people import AccountHolder, Permission
from lab.terms.bounded_types import DayText, EnterpriseCode, ReasonText
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])
RecordReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_RECORDS))]
_VERSION: dict[str, Any] = {
    "record": "00112233445566778899aabbccddeeff",
    "operation": "add",
    "held_from": "2026-03-01",
    "held_to": None,
    "known_on": "2026-04-10",
    "source": "tax-2026-03.csv",
    "source_sha256": "66" * 32,
    "items": {"period": "2026-03-01", "sales": 1200000.0},
}


class EnterpriseRecordsForm(BaseModel):
    """The enterprise, and what of it: ``as_of`` is the day on which it was known (null: now); ``personal`` needs a
    ``reason``, which the ledger keeps."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"code": "91350100M000100Y43", "as_of": "2026-06-30"}]}
    )

    code: EnterpriseCode
    as_of: DayText | None = None
    history: bool = False
    personal: bool = False
    reason: ReasonText | None = None


class RecordVersionView(BaseModel):
    """One version of a record; ``items`` of a deletion are empty."""

    record: str
    operation: str
    held_from: date
    held_to: date | None
    known_on: date
    source: str
    source_sha256: str
    items: dict[str, str | int | float | bool | None]


class RecordCaseView(BaseModel):
    """A case of credit repair, or an objection, about one of the records; as it is now."""

    case: str
    kind: str
    record: str
    state: str
    opened_on: date
    decided_on: date | None


class DomainRecordsView(BaseModel):
    """The records of one domain that count; ``history`` has all versions if it was asked for. ``quality``: the domain's
    score in the last assessment, 0 to 100; null without one."""

    domain: str
    zh: str
    en: str
    owner_zh: str
    owner_en: str
    records: list[RecordVersionView]
    history: list[RecordVersionView]
    cases: list[RecordCaseView]
    quality: float | None


class EnterpriseRecordsView(BaseModel):
    """One enterprise's records; without any, ``domains`` is empty. ``manifest`` names what they were read from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "as_of": "2026-06-30",
                    "known_on": "2026-06-10",
                    "manifest": "77" * 32,
                    "catalogue": "88" * 32,
                    "records": 1,
                    "personal": False,
                    "assessed_on": "2026-06-20",
                    "domains": [
                        {
                            "domain": "tax",
                            "zh": "税务",
                            "en": "Tax",
                            "owner_zh": "税务局",
                            "owner_en": "Tax bureau",
                            "records": [_VERSION],
                            "history": [],
                            "cases": [],
                            "quality": 98.5,
                        }
                    ],
                }
            ]
        }
    )

    as_of: date | None
    known_on: date | None
    manifest: str
    catalogue: str
    records: int
    personal: bool
    assessed_on: date | None
    domains: list[DomainRecordsView]


@router.post(
    "/records",
    operation_id="records_of_enterprise",
    summary="单户企业的记录 / The records of one enterprise",
    response_model=EnterpriseRecordsView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(EnterpriseRecordsForm),
)
async def show_enterprise_records(
    person: RecordReader,
    service: Dependencies,
    form: Annotated[EnterpriseRecordsForm, Depends(json_body(EnterpriseRecordsForm))],
) -> Any:
    """For stewards. Each look is a ledger entry with counts alone."""
    if form.personal:
        person.check_permission(Permission.READ_PERSONAL_ITEMS)
    look = EnterpriseLook(
        form.code,
        date.fromisoformat(form.as_of) if form.as_of is not None else None,
        form.history,
        form.personal,
        form.reason or "",
    )
    return await run_in_threadpool(service.bureau.enterprises.look, look, by=person.actor)
