"""Batches of a job: sent once under their hash, evaluated meanwhile, their replies fetched."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from lab.bureau.exchange import BatchCharge
from lab.terms.errors import InvalidInput
from lab.transport.back_off import BackOff
from sandbox.api.banks.jobs import JobIdPath
from sandbox.api.banks.scoring import Sha256Path
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
from sandbox.auth.bank import CurrentContractCaller, Dependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}", tags=["scoring"])
_LONGEST_WAIT = 30.0
_BACK_OFF = BackOff(first_wait=0.05, factor=1.5, longest_wait=0.5)
Wait = Annotated[
    float,
    Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for the reply before answering 202.", examples=[20]),
]


class BatchView(BaseModel):
    """A batch that the bureau has, and that waits or is evaluated, or is answered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sha256": "66" * 32}]})

    sha256: str


@router.put(
    "",
    operation_id="put_batch",
    summary="提交密文批次 / Send a batch to be scored",
    status_code=202,
    response_model=BatchView,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "conflict", "busy", "too-large", "unsupported-media")
    | {202: {"description": "Kept and charged, now or before; fetch the reply.", "model": BatchView}},
    openapi_extra=openapi_frame_body(
        "A BATCH frame: tags of enterprises and one ciphertext a column, under a stored context."
    ),
)
async def put_batch(
    request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath, sha256: Sha256Path
) -> Response:
    """The same batch again changes nothing and is not charged twice. The hash in the path must be the frame's own."""

    def receive() -> BatchCharge:
        frame = body.read()
        _check_hash(frame, sha256)
        return parts.bureau.scoring.receive(caller.contract, job_id, frame)

    await run_in_threadpool(parts.bureau.scoring.check_queue_capacity, caller.contract, job_id, sha256)
    parts.heavy_work_limit.check(caller.bank)
    async with (
        receive_signed_body(request, caller, parts, cap=parts.settings.batch_bytes) as body,
        parts.heavy_work_limit.acquire(caller.bank, wait=True) as place,
    ):
        charge = await place.run(receive)
    await run_in_threadpool(parts.enqueue_batch, charge)
    return JSONResponse({"sha256": sha256}, 202)


@router.put(
    "/again",
    operation_id="put_batch_again",
    summary="旧密文重新评分 / Have a batch that an earlier job sent evaluated again",
    status_code=202,
    response_model=BatchView,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "conflict", "busy")
    | {202: {"description": "Charged in this job, now or before; fetch the reply.", "model": BatchView}},
)
async def rescore_batch(
    request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath, sha256: Sha256Path
) -> Response:
    """No body: the ciphertexts are here. 409 while neither the register nor the model has changed; nothing is charged
    then."""
    await require_empty_body(request, caller.verified, parts.settings)
    async with parts.heavy_work_limit.acquire(caller.bank) as place:
        charge = await place.run(parts.bureau.scoring.receive_rescoring, caller.contract, job_id, sha256)
    await run_in_threadpool(parts.enqueue_batch, charge)
    return JSONResponse({"sha256": sha256}, 202)


@router.get(
    "/reply",
    operation_id="batch_reply",
    summary="取回密文评分 / Fetch the reply to a batch",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "conflict")
    | {
        200: openapi_frame_response("A REPLY frame: one ciphertext an output, for the bank's key alone.")
        | RECEIPT_HEADERS,
        202: {"description": "It waits or is evaluated; ask again.", "model": BatchView},
    },
)
async def get_batch_reply(
    request: Request,
    caller: CurrentContractCaller,
    parts: Dependencies,
    job_id: JobIdPath,
    sha256: Sha256Path,
    wait: Wait = 0.0,
) -> Response:
    """Why a batch was not answered is told as the problem that it was; it was not charged then."""
    await require_empty_body(request, caller.verified, parts.settings)
    timer = replace(_BACK_OFF, deadline=wait).start()
    with parts.reply_wait_limit.try_acquire(caller.bank) as may_wait:
        while (found := await run_in_threadpool(parts.bureau.scoring.reply, caller.contract, job_id, sha256)) is None:
            if timer.is_expired or not may_wait or await request.is_disconnected():
                return JSONResponse({"sha256": sha256}, 202, headers={"Retry-After": "1"})
            await asyncio.sleep(timer.next_wait())
    reply, receipt = found
    return Response(reply, media_type=FRAME_MEDIA, headers={RECEIPT_HEADER: receipt.to_header()})


def _check_hash(body: bytes, sha256: str) -> None:
    if hashlib.sha256(body).hexdigest() != sha256:
        raise InvalidInput("The batch's hash is not the one it was sent under.", next_step="send it again")
