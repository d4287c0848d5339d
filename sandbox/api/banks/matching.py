"""Private matching: the bank downloads the set-up, then sends blinded identifiers and gets them evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from lab.terms.fields.bounded_types import MAX_INTEGER
from lab.terms.ledger.receipt import MatchReceipt
from lab.terms.names import HEX32_PATTERN
from sandbox.api.banks.jobs import JobIdQuery
from sandbox.api.openapi import SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import (
    FRAME_MEDIA,
    RECEIPT_HEADER,
    RECEIPT_HEADERS,
    openapi_frame_body,
    openapi_frame_response,
    receive_signed_body,
    require_empty_body,
)
from sandbox.auth.bank import ContractCaller, CurrentContractCaller
from sandbox.dependencies import Dependencies, ServiceDependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}/matching", tags=["matching"])
CountingQuery = Annotated[bool, Query(description="For counting only, under the operation `count`.")]
SetupHashPath = Annotated[
    str, Path(pattern=HEX32_PATTERN, description="SHA-256 of the set-up's manifest.", examples=["5f" * 32])
]


@router.get(
    "/setup",
    operation_id="matching_setup",
    summary="匹配准备数据的清单 / The manifest of the matching set-up",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy")
    | {200: openapi_frame_response("A MATCH_SETUP frame: the sizes and hashes of the set-up's buckets.")},
)
async def get_matching_setup(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    job: JobIdQuery,
    counting: CountingQuery = False,
) -> Response:
    """Reveals no identifier. While a large register is being evaluated the response is 503 `busy` with Retry-After."""
    await require_empty_body(request, caller.verified, service.settings)
    async with service.heavy_work_limit.acquire(caller.bank) as slot:
        content = await slot.run(service.bureau.matching.setup, caller.contract, job, counting=counting)
    return Response(content, media_type=FRAME_MEDIA)


@router.get(
    "/setup/{sha256}",
    operation_id="matching_shard",
    summary="匹配准备数据的分片 / Buckets of the matching set-up",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy")
    | {200: openapi_frame_response("A MATCH_SHARD frame: coded buckets.")},
)
async def get_matching_shard(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    job: JobIdQuery,
    sha256: SetupHashPath,
    first: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="The first bucket.", examples=[0])],
    count: Annotated[int, Query(ge=1, le=64, description="How many buckets; fewer at the end.", examples=[16])],
) -> Response:
    """By hash and range, so that an interrupted download can continue where it stopped."""
    await require_empty_body(request, caller.verified, service.settings)
    async with service.heavy_work_limit.acquire(caller.bank) as slot:
        content = await slot.run(service.bureau.matching.shard, caller.contract, job, sha256, first, count)
    return Response(content, media_type=FRAME_MEDIA)


@router.get(
    "/setup/{sha256}/delta",
    operation_id="matching_delta",
    summary="匹配准备数据的增量 / What changed since an earlier set-up",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy")
    | {200: openapi_frame_response("A MATCH_DELTA frame.")},
)
async def get_matching_delta(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    job: JobIdQuery,
    sha256: SetupHashPath,
    since: Annotated[
        str, Query(pattern=HEX32_PATTERN, description="The set-up that the bank has now.", examples=["5e" * 32])
    ],
) -> Response:
    """404 if there is no delta from that set-up; then fetch the whole set-up."""
    await require_empty_body(request, caller.verified, service.settings)
    async with service.heavy_work_limit.acquire(caller.bank) as slot:
        content = await slot.run(service.bureau.matching.delta, caller.contract, job, sha256, since)
    return Response(content, media_type=FRAME_MEDIA)


@router.post(
    "",
    operation_id="match",
    summary="匹配 / Match",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy", "too-large", "unsupported-media")
    | {200: openapi_frame_response("A MATCH_RESPONSE frame: the same identifiers, evaluated.") | RECEIPT_HEADERS},
    openapi_extra=openapi_frame_body(
        "A MATCH_REQUEST frame: blinded identifiers, canaries among them. Each is charged."
    ),
)
async def match_identifiers(
    request: Request, caller: CurrentContractCaller, service: Dependencies, job: JobIdQuery
) -> Response:
    """Charged once, before the response leaves: the same bytes again in the same key epoch cost nothing."""
    return await _evaluate(request, caller, service, job, service.bureau.matching.match)


@router.post(
    "/count",
    operation_id="count",
    summary="计数 / Count",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy", "too-large", "unsupported-media")
    | {200: openapi_frame_response("A MATCH_RESPONSE frame: evaluated, in sorted order.") | RECEIPT_HEADERS},
    openapi_extra=openapi_frame_body(
        "A MATCH_REQUEST frame of at least 164 elements: 100 identifiers and their canaries. Each is charged."
    ),
)
async def count_matches(
    request: Request, caller: CurrentContractCaller, service: Dependencies, job: JobIdQuery
) -> Response:
    """How many match, not which: the response is sorted. Needs the operation `count`."""
    return await _evaluate(request, caller, service, job, service.bureau.matching.count)


async def _evaluate(
    request: Request,
    caller: ContractCaller,
    service: ServiceDependencies,
    job: str,
    evaluate: Callable[[str, str, bytes], tuple[bytes, MatchReceipt]],
) -> Response:
    """Receive a request frame, evaluate it in a slot for heavy work, and answer with the frame and its receipt."""
    service.heavy_work_limit.check(caller.bank)
    async with (
        receive_signed_body(request, caller, service, cap=service.settings.match_bytes) as body,
        service.heavy_work_limit.acquire(caller.bank, wait=True) as slot,
    ):
        content, receipt = await slot.run(lambda: evaluate(caller.contract, job, body.read()))
    return Response(content, media_type=FRAME_MEDIA, headers={RECEIPT_HEADER: receipt.to_header()})
