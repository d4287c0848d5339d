"""Private matching: the evaluated register down, blinded identifiers up and evaluated down."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from sandbox.api.authentic import Authentic, PartsOf
from sandbox.api.bodies import FRAME_MEDIA, frame_answer, frame_body, read_body, read_nothing
from sandbox.api.jobs import JobName
from sandbox.api.words import SIGNED, problems

router = APIRouter(prefix="/v1/contracts/{contract_id}/matching", tags=["matching"])
_ANNOUNCED = "How many identifiers will be asked at most; the false-positive rate holds for that many."


@router.get(
    "/setup",
    operation_id="matching_setup",
    summary="匹配准备数据 / The matching set-up",
    response_class=Response,
    responses=SIGNED
    | problems("not-found", "busy")
    | {200: frame_answer("A MATCH_SETUP frame: the evaluated register.")},
)
async def matching_setup(
    request: Request,
    caller: Authentic,
    parts: PartsOf,
    job: JobName,
    announced: Annotated[int, Query(ge=1, le=100_000_000, description=_ANNOUNCED, examples=[5000])],
) -> Response:
    """Reveals no identifier; the same for every bank under one register version and key, consent aside."""
    async with parts.places.take() as place:
        await read_nothing(request, caller.verified, parts.settings)
        content = await place.run(parts.bureau.matching_setup, caller.contract, job, announced)
    return Response(content, media_type=FRAME_MEDIA)


@router.post(
    "",
    operation_id="match",
    summary="匹配 / Match",
    response_class=Response,
    responses=SIGNED
    | problems("not-found", "busy", "too-large", "unsupported-media")
    | {200: frame_answer("A MATCH_RESPONSE frame: the same identifiers, evaluated.")},
    openapi_extra=frame_body("A MATCH_REQUEST frame: blinded identifiers. Each is charged against the contract."),
)
async def match(request: Request, caller: Authentic, parts: PartsOf, job: JobName) -> Response:
    """Charged before the answer leaves."""
    async with parts.places.take() as place:
        body = await read_body(
            request,
            caller.verified,
            cap=parts.settings.match_bytes,
            idle=parts.settings.body_idle_seconds,
            media=FRAME_MEDIA,
        )
        content = await place.run(parts.bureau.match, caller.contract, job, body)
    return Response(content, media_type=FRAME_MEDIA)
