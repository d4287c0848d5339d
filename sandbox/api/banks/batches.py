"""Batches of a job: a bank sends each once, under its hash, and later fetches the reply."""

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
from sandbox.auth.bank import CurrentContractCaller
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}/jobs/{job_id}/batches/{sha256}", tags=["scoring"])
_LONGEST_WAIT = 30.0
_BACK_OFF = BackOff(first_wait=0.05, factor=1.5, longest_wait=0.5)
Wait = Annotated[
    float,
    Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for the reply before the response 202.", examples=[20]),
]


class BatchView(BaseModel):
    """A batch that the bureau has received."""

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
    | {202: {"description": "Stored and charged, now or earlier; fetch the reply.", "model": BatchView}},
    openapi_extra=openapi_frame_body(
        "A BATCH frame: tags of enterprises and one ciphertext for each column, under a stored context."
    ),
)
async def put_batch(
    request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath, sha256: Sha256Path
) -> Response:
    """Sending the same batch again changes nothing and is not charged. The path must contain the frame's hash."""

    def receive() -> BatchCharge:
        frame = body.read()
        _check_hash(frame, sha256)
        return service.bureau.scoring.receive(caller.contract, job_id, frame)

    await run_in_threadpool(service.bureau.scoring.check_queue_capacity, caller.contract, job_id, sha256)
    service.heavy_work_limit.check(caller.bank)
    async with (
        receive_signed_body(request, caller, service, cap=service.settings.batch_bytes) as body,
        service.heavy_work_limit.acquire(caller.bank, wait=True) as slot,
    ):
        charge = await slot.run(receive)
    await run_in_threadpool(service.enqueue_batch, charge)
    return JSONResponse({"sha256": sha256}, 202)


@router.put(
    "/again",
    operation_id="put_batch_again",
    summary="旧密文重新评分 / Evaluate a batch of an earlier job again",
    status_code=202,
    response_model=BatchView,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "conflict", "busy")
    | {202: {"description": "Charged in this job, now or earlier; fetch the reply.", "model": BatchView}},
)
async def rescore_batch(
    request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath, sha256: Sha256Path
) -> Response:
    """No body: the bureau has the ciphertexts. 409, without a charge, if neither the register nor the model has
    changed. Enterprises that are no longer in the register under the contract, or have used their scores, are left out
    and not charged; the reply says which. If nobody is left, the batch is refused."""
    await require_empty_body(request, caller.verified, service.settings)
    async with service.heavy_work_limit.acquire(caller.bank) as slot:
        charge = await slot.run(service.bureau.scoring.receive_rescoring, caller.contract, job_id, sha256)
    await run_in_threadpool(service.enqueue_batch, charge)
    return JSONResponse({"sha256": sha256}, 202)


@router.get(
    "/reply",
    operation_id="batch_reply",
    summary="取回密文评分 / Fetch the reply to a batch",
    response_class=Response,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "conflict")
    | {
        200: openapi_frame_response("A REPLY frame: one ciphertext for each output, under the bank's key.")
        | RECEIPT_HEADERS,
        202: {"description": "The batch waits or is being evaluated; ask again.", "model": BatchView},
    },
)
async def get_batch_reply(
    request: Request,
    caller: CurrentContractCaller,
    service: Dependencies,
    job_id: JobIdPath,
    sha256: Sha256Path,
    wait: Wait = 0.0,
) -> Response:
    """If the evaluation was refused, the response is that problem, and the batch was not charged."""
    await require_empty_body(request, caller.verified, service.settings)
    timer = replace(_BACK_OFF, deadline=wait).start()
    with service.reply_wait_limit.try_acquire(caller.bank) as may_wait:
        while (found := await run_in_threadpool(service.bureau.scoring.reply, caller.contract, job_id, sha256)) is None:
            if timer.is_expired or not may_wait or await request.is_disconnected():
                return JSONResponse({"sha256": sha256}, 202, headers={"Retry-After": "1"})
            await asyncio.sleep(timer.next_wait())
    reply, receipt = found
    return Response(reply, media_type=FRAME_MEDIA, headers={RECEIPT_HEADER: receipt.to_header()})


def _check_hash(body: bytes, sha256: str) -> None:
    if hashlib.sha256(body).hexdigest() != sha256:
        raise InvalidInput("Expected the frame's SHA-256 in the path; found another hash.", next_step="send it again")
