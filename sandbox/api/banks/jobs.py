"""Jobs. A job is opened before anything is matched or scored, and states the recipient, the model and the rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.bureau.exchange import JobParameters
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import Line, VersionNumber
from lab.terms.fields.field_types import Slug
from lab.terms.names import JOB_ID_PATTERN
from sandbox.api.openapi import SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import read_signed_body, require_empty_body
from sandbox.auth.bank import CurrentContractCaller
from sandbox.dependencies import Dependencies, ServiceDependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}/jobs/{job_id}", tags=["jobs"])
EVENT_STREAM_MEDIA = "text/event-stream"
_POLL_SECONDS, _POLLS_BEFORE_KEEPALIVE = 1.0, 15
_EXAMPLE = "20260105T093000-5f2c81aa90be"
JobIdPath = Annotated[
    str,
    Path(
        pattern=JOB_ID_PATTERN,
        description="作业编号，由银行指定 / The job's id, chosen by the bank",
        examples=[_EXAMPLE],
    ),
]
JobIdQuery = Annotated[
    str,
    Query(
        alias="job",
        pattern=JOB_ID_PATTERN,
        description="作业编号 / The open job that this request belongs to",
        examples=[_EXAMPLE],
    ),
]


class JobForm(BaseModel):
    """The parameters of a job. ``rows``: the largest number of enterprises that it will score."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"recipient": "信贷部 credit department", "model": "credit", "model_version": 1, "rows": 5000}]
        },
    )

    recipient: Annotated[Line, Field(min_length=1, max_length=200, description="one that the contract names")]
    model: Slug
    model_version: VersionNumber
    rows: Annotated[int, Field(ge=1, le=100_000_000)]


class JobView(BaseModel):
    """A job. Its state is ``open``, ``stopped`` (with its contract) or ``ended``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job": _EXAMPLE,
                    "state": "open",
                    "version": 1,
                    "recipient": "信贷部 credit department",
                    "model": "credit",
                    "model_version": 1,
                    "epoch": 1,
                    "rows": 5000,
                    "rows_used": 0,
                    "opened": "2026-01-05T09:30:00+00:00",
                }
            ]
        }
    )

    job: str
    state: str
    version: Annotated[int, Field(description="the contract version that was in force when the job was opened")]
    recipient: str
    model: str
    model_version: int
    epoch: Annotated[int, Field(description="the epoch of the matching keys")]
    rows: int
    rows_used: int
    opened: str


@router.put(
    "",
    operation_id="open_job",
    summary="开始作业 / Open a job",
    response_model=JobView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": JobForm.model_json_schema()}}}
    },
)
async def open_job(request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath) -> Any:
    """Opening the same job again costs nothing; a job that was stopped with its contract continues."""
    body = await read_signed_body(
        request,
        caller.verified,
        cap=service.settings.document_bytes,
        idle=service.settings.body_idle_seconds,
        media="application/json",
    )
    try:
        form = JobForm.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(
            "Expected a job's recipient, model, model_version and rows; found something else.",
            next_step="compare the request with /v1/openapi.json",
        ) from None
    parameters = JobParameters(form.recipient, form.model, form.model_version, form.rows)
    job = await run_in_threadpool(service.bureau.jobs.open, caller.contract, job_id, parameters)
    return job.as_dict()


@router.get(
    "",
    operation_id="job",
    summary="作业状态 / The state of a job",
    response_model=JobView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def get_job(request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath) -> Any:
    """In any state of the contract."""
    await require_empty_body(request, caller.verified, service.settings)
    found = await run_in_threadpool(service.bureau.jobs.find, caller.contract, job_id)
    return found.as_dict()


@router.post(
    "/end",
    operation_id="end_job",
    summary="结束作业 / End a job",
    response_model=JobView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def end_job(request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath) -> Any:
    """After this, the job accepts no requests. Ending it again changes nothing."""
    await require_empty_body(request, caller.verified, service.settings)
    ended = await run_in_threadpool(service.bureau.jobs.end, caller.contract, job_id)
    return ended.as_dict()


@router.get(
    "/events",
    operation_id="job_events",
    summary="作业进度 / Progress of a job, as it happens",
    response_class=StreamingResponse,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy")
    | {
        200: {
            "description": "Server-sent events `progress`: the job as GET returns it, with its batches by state. The "
            "first comes at once, the next when something changes, until the job is not open or the time is over.",
            "content": {EVENT_STREAM_MEDIA: {"schema": {"type": "string"}}},
        }
    },
)
async def stream_job_events(
    request: Request, caller: CurrentContractCaller, service: Dependencies, job_id: JobIdPath
) -> StreamingResponse:
    """In any state of the contract. Only counts: no hash, no enterprise."""
    await require_empty_body(request, caller.verified, service.settings)
    first = await run_in_threadpool(service.bureau.jobs.progress, caller.contract, job_id)
    stream = _stream_progress(request, service, caller.contract, job_id, first)
    opening = await anext(stream)  # here, so that a full limit gives its problem response

    async def events() -> AsyncIterator[bytes]:
        try:
            yield opening
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    return StreamingResponse(events(), media_type=EVENT_STREAM_MEDIA)


async def _stream_progress(
    request: Request, service: ServiceDependencies, contract: str, job_id: str, seen: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    async with service.event_stream_limit.acquire(1):
        yield _format_event(seen)
        quiet, until = 0, asyncio.get_running_loop().time() + service.settings.event_seconds
        while seen["state"] == "open" and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_POLL_SECONDS)
            if await request.is_disconnected():
                return
            present = await run_in_threadpool(service.bureau.jobs.progress, contract, job_id)
            quiet = 0 if present != seen else quiet + 1
            if present != seen:
                yield _format_event(present)
            elif quiet % _POLLS_BEFORE_KEEPALIVE == 0:
                yield b":\n\n"  # a comment keeps proxies from closing a silent connection
            seen = present


def _format_event(progress: dict[str, Any]) -> bytes:
    return f"event: progress\ndata: {json.dumps(progress, ensure_ascii=False)}\n\n".encode()
