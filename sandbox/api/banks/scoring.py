"""The bank's public encryption context, which it sends once. Batches are in ``batches``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from lab.terms.errors import NotFound
from lab.terms.names import HEX32_PATTERN
from sandbox.api.banks.jobs import JobIdQuery
from sandbox.api.openapi import SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import openapi_frame_body, receive_signed_body, require_empty_body
from sandbox.auth.bank import CurrentContractCaller
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}", tags=["scoring"])
Sha256Path = Annotated[
    str, Path(pattern=HEX32_PATTERN, description="SHA-256 of the frame, hexadecimal", examples=["66" * 32])
]


class ContextView(BaseModel):
    """A public context that the bureau has."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sha256": "66" * 32}]})

    sha256: str


@router.put(
    "/contexts/{sha256}",
    operation_id="put_context",
    summary="提交公开上下文 / Send the public context",
    response_model=ContextView,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "too-large", "unsupported-media", "busy")
    | {
        200: {"description": "The bureau had it already; nothing changed."},
        201: {"description": "Stored.", "model": ContextView},
    },
    openapi_extra=openapi_frame_body("A CONTEXT frame: public material only. A frame with a secret key is refused."),
)
async def put_context(
    request: Request, caller: CurrentContractCaller, service: Dependencies, sha256: Sha256Path, job: JobIdQuery
) -> Response:
    """The path must contain the frame's hash."""
    service.heavy_work_limit.check(caller.bank)
    async with (
        receive_signed_body(request, caller, service, cap=service.settings.context_bytes) as body,
        service.heavy_work_limit.acquire(caller.bank, wait=True) as slot,
    ):
        created = await slot.run(lambda: service.bureau.contexts.put(caller.contract, job, sha256, body.read()))
    return JSONResponse({"sha256": sha256}, 201 if created else 200)


@router.get(
    "/contexts/{sha256}",
    operation_id="context",
    summary="是否已有上下文 / Whether the bureau has a context",
    response_model=ContextView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def get_context(
    request: Request, caller: CurrentContractCaller, service: Dependencies, sha256: Sha256Path, job: JobIdQuery
) -> ContextView:
    """404 if the bureau does not have it under this contract."""
    await require_empty_body(request, caller.verified, service.settings)
    if not await run_in_threadpool(service.bureau.contexts.has, caller.contract, job, sha256):
        raise NotFound("The bureau has no context with this hash under this contract.", next_step="send it with PUT")
    return ContextView(sha256=sha256)


@router.head("/contexts/{sha256}", operation_id="context_head", include_in_schema=False)
async def head_context(
    request: Request, caller: CurrentContractCaller, service: Dependencies, sha256: Sha256Path, job: JobIdQuery
) -> Response:
    """As GET, without a body."""
    await get_context(request, caller, service, sha256, job)
    return Response(status_code=200)
