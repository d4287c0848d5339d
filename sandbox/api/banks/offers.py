"""Offers: the published models, for any registered bank that plans a job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from lab.terms.contract.model_offer import OFFER_EXAMPLE, ModelOffer
from lab.terms.fields.bounded_types import VersionNumber
from lab.terms.names import SLUG_PATTERN
from sandbox.api.openapi import SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import require_empty_body
from sandbox.auth.bank import SIGNATURE_SECURITY, CurrentBankCaller
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/offers", tags=["offers"])
ModelNamePath = Annotated[str, Path(pattern=SLUG_PATTERN, description="模型 / The model's name", examples=["credit"])]
OfferVersionQuery = Annotated[
    VersionNumber | None,
    Query(description="版本，默认为最新 / Its version (default: the newest)", examples=[1]),
]


class OfferList(BaseModel):
    """Every published model version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"offers": [OFFER_EXAMPLE]}]})

    offers: list[ModelOffer]


@router.get(
    "",
    operation_id="offers",
    summary="可用模型 / The offered models",
    response_model=OfferList,
    responses=SIGNED_REQUEST_PROBLEMS,
    openapi_extra=SIGNATURE_SECURITY,
)
async def list_offers(request: Request, caller: CurrentBankCaller, service: Dependencies) -> Any:
    """Needs no contract, only a key that the bureau accepts for a bank."""
    await require_empty_body(request, caller.verified, service.settings)
    return {"offers": await run_in_threadpool(service.bureau.offers.list_published)}


@router.get(
    "/{model}",
    operation_id="offer",
    summary="单个模型 / One offered model",
    response_model=ModelOffer,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
    openapi_extra=SIGNATURE_SECURITY,
)
async def get_offer(
    request: Request,
    caller: CurrentBankCaller,
    service: Dependencies,
    model: ModelNamePath,
    version: OfferVersionQuery = None,
) -> Any:
    """Columns and outputs for each detail, the approximate size of the register, engines and parameter sets; no
    weights."""
    await require_empty_body(request, caller.verified, service.settings)
    return await run_in_threadpool(service.bureau.offers.find, model, version)
