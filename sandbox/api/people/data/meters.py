"""The account of what was used under a contract, for officers, stewards and auditors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.contract.metering import MONTH_PATTERN
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.people.contracts_admin import ContractIdPath
from sandbox.auth.person import CurrentPerson
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/desk", tags=["desk"])
_LINE: dict[str, Any] = {
    "month": "2026-01",
    "version": 1,
    "unit": "scored-enterprise",
    "count": 4_200,
    "basis": "priced",
    "price": "0.50",
    "currency": "CNY",
    "amount": "2100.00",
}
_ACCOUNT: dict[str, Any] = {
    "schema": "shulab-meter/1",
    "contract": "c-20260101-1a2b3c4d",
    "month": None,
    "lines": [_LINE],
    "totals": [{"currency": "CNY", "amount": "2100.00"}],
}


class MeterLineView(BaseModel):
    """Units of one kind in one month under one version, and what they come to; decimal text."""

    month: str
    version: int
    unit: str
    count: int
    basis: str
    price: str | None
    currency: str | None
    amount: str | None


class MeterTotalView(BaseModel):
    """The sum of the rounded lines in one currency."""

    currency: str
    amount: str


class MeterAccountView(BaseModel):
    """The account of a contract. Nothing is paid here."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCOUNT]})

    schema_: Annotated[str, Field(alias="schema")]
    contract: str
    month: str | None
    lines: list[MeterLineView]
    totals: list[MeterTotalView]


@router.get(
    "/contracts/{contract_id}/meter",
    operation_id="desk_meter",
    summary="计量 / What was used, at the contract's prices",
    response_model=MeterAccountView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def get_meter(
    person: CurrentPerson,
    service: Dependencies,
    contract_id: ContractIdPath,
    month: Annotated[
        str | None, Query(pattern=MONTH_PATTERN, description="月份 / Of this month alone (UTC)", examples=["2026-01"])
    ] = None,
) -> Any:
    """Counted from the ledger; what was not answered, and so returned, is not in it."""
    return (await run_in_threadpool(service.bureau.contracts.meter, person, contract_id, month)).as_dict()
