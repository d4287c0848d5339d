"""A contract as its bank sees it: the document and its state, the countersignature, the model's sheet, what is left."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.terms.contract import SignedContract
from lab.terms.errors import InvalidInput
from sandbox.api.authentic import Authentic, PartsOf
from sandbox.api.bodies import read_body, read_nothing
from sandbox.api.words import CONTRACT_EXAMPLE, SIGNED, problems

router = APIRouter(prefix="/v1/contracts/{contract_id}", tags=["contracts"])


class ContractView(BaseModel):
    """The signed document, as RFC 8785 canonical JSON is made of it, and where it stands at the bureau."""

    model_config = ConfigDict(json_schema_extra={"examples": [CONTRACT_EXAMPLE]})

    signed: SignedContract
    state: str


class Countersignature(BaseModel):
    """The bank's Ed25519 signature over ``"shulab contract v1" || 0x00 || canonical document``."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"signature": "55" * 64}]})

    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$", description="128 hexadecimal digits")]


class Accepted(BaseModel):
    """The contract's state after the countersignature."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "approved"}]})

    state: str


class Count(BaseModel):
    """One ceiling."""

    ceiling: int
    used: int
    left: int


class ScoreCount(Count):
    """The ceiling is for each enterprise, so ``used`` is of the one scored most often; the totals have no ceiling."""

    total: int
    enterprises: int


class Allowance(BaseModel):
    """What is left under the contract."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "identifiers": {"ceiling": 1_000_000, "used": 5_000, "left": 995_000},
                    "scores": {"ceiling": 100, "used": 1, "left": 99, "total": 4_200, "enterprises": 4_200},
                }
            ]
        },
    )

    identifiers: Count
    scores: ScoreCount


@router.get(
    "",
    operation_id="contract",
    summary="合同及其状态 / The contract and its state",
    response_model=ContractView,
    responses=SIGNED,
)
async def contract(request: Request, caller: Authentic, parts: PartsOf) -> Response:
    """Also before both parties have signed: this is what a bank reads before it signs."""
    await read_nothing(request, caller.verified, parts.settings)
    return JSONResponse({"signed": caller.signed.model_dump(mode="json", by_alias=True), "state": caller.state})


@router.post(
    "/signature",
    operation_id="sign_contract",
    summary="银行会签 / The bank's countersignature",
    response_model=Accepted,
    responses=SIGNED | problems("conflict", "too-large", "unsupported-media"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Countersignature.model_json_schema()}},
        }
    },
)
async def sign_contract(request: Request, caller: Authentic, parts: PartsOf) -> Accepted:
    """The same signature again is accepted and changes nothing."""
    body = await read_body(
        request,
        caller.verified,
        cap=parts.settings.document_bytes,
        idle=parts.settings.body_idle_seconds,
        media="application/json",
    )
    try:
        signature = Countersignature.model_validate_json(body).signature
    except ValidationError:
        raise InvalidInput(
            "Wanted one member `signature` of 128 hexadecimal digits; found something else.",
            next_step="sign with `lab bank sign`",
        ) from None
    await run_in_threadpool(parts.bureau.accept_signature, caller.contract, signature)
    _, state = await run_in_threadpool(parts.bureau.signed_contract, caller.contract)
    return Accepted(state=state)


@router.get(
    "/sheet",
    operation_id="sheet",
    summary="模型说明书 / What the bank must know of the model",
    response_class=Response,
    responses=SIGNED
    | problems("not-found")
    | {
        200: {
            "description": "Canonical JSON; its SHA-256 is in the contract as model.sheet_sha256.",
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": {"model": "credit", "version": 1}}
            },
        }
    },
)
async def sheet(request: Request, caller: Authentic, parts: PartsOf) -> Response:
    """Exactly the bytes whose hash both parties signed."""
    await read_nothing(request, caller.verified, parts.settings)
    content = await run_in_threadpool(parts.bureau.sheet, caller.contract)
    return Response(content, media_type="application/json")


@router.get(
    "/allowance",
    operation_id="allowance",
    summary="剩余额度 / What is left",
    response_model=Allowance,
    responses=SIGNED,
)
async def allowance(request: Request, caller: Authentic, parts: PartsOf) -> Any:
    """Counts only."""
    await read_nothing(request, caller.verified, parts.settings)
    return await run_in_threadpool(parts.bureau.allowance, caller.contract)
