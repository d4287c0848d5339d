"""Offers: the published models, for any registered bank that plans a job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from lab.terms.contract.model_offer import EXAMPLE, Offer
from sandbox.api.openapi import SIGNED, problems
from sandbox.api.request_body import read_nothing
from sandbox.auth.bank import SIGNATURE, PartsOf, RegisteredBank

router = APIRouter(prefix="/v1/offers", tags=["offers"])
ModelName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="模型 / The model's name", examples=["credit"])
]
ModelVersion = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="版本，缺省为最新 / Its version (default: the newest)", examples=[1]),
]


class OfferList(BaseModel):
    """Every published model version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"offers": [EXAMPLE]}]})

    offers: list[Offer]


@router.get(
    "",
    operation_id="offers",
    summary="可用模型 / The models on offer",
    response_model=OfferList,
    responses=SIGNED,
    openapi_extra=SIGNATURE,
)
async def offers(request: Request, caller: RegisteredBank, parts: PartsOf) -> Any:
    """No contract is needed, only a key that the bureau accepts for a bank."""
    await read_nothing(request, caller.verified, parts.settings)
    return {"offers": await run_in_threadpool(parts.bureau.offers.published)}


@router.get(
    "/{model}",
    operation_id="offer",
    summary="一个模型 / One model on offer",
    response_model=Offer,
    responses=SIGNED | problems("not-found"),
    openapi_extra=SIGNATURE,
)
async def offer(
    request: Request, caller: RegisteredBank, parts: PartsOf, model: ModelName, version: ModelVersion = None
) -> Any:
    """Columns and outputs for each detail, the register's size roughly, engines and parameter sets; no weights."""
    await read_nothing(request, caller.verified, parts.settings)
    return await run_in_threadpool(parts.bureau.offers.find, model, version)
