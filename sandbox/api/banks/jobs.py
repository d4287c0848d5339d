"""Jobs: opened before anything is matched or scored, so that both sides know for whom, by which model and how much."""

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
from lab.terms.field_types import Slug
from lab.terms.names import JOB_ID_PATTERN
from sandbox.api.openapi import SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.request_body import read_signed_body, require_empty_body
from sandbox.auth.bank import CurrentContractCaller, Dependencies
from sandbox.dependencies import ServiceDependencies

router = APIRouter(prefix="/v1/contracts/{contract_id}/jobs/{job_id}", tags=["jobs"])
EVENT_STREAM_MEDIA = "text/event-stream"
_POLL_SECONDS, _POLLS_BEFORE_KEEPALIVE = 1.0, 15
_EXAMPLE = "20260105T093000-5f2c81aa90be"
JobIdPath = Annotated[
    str, Path(pattern=JOB_ID_PATTERN, description="作业编号，由银行自定 / The job's id", examples=[_EXAMPLE])
]
JobIdQuery = Annotated[
    str,
    Query(
        alias="job",
        pattern=JOB_ID_PATTERN,
        description="作业编号 / The job that this belongs to, opened",
        examples=[_EXAMPLE],
    ),
]


class JobForm(BaseModel):
    """What a job is for. ``rows``: how many enterprises it will have scored at most."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"recipient": "信贷部 credit department", "model": "credit", "model_version": 1, "rows": 5000}]
        },
    )

    recipient: Annotated[str, Field(min_length=1, max_length=200, description="one that the contract names")]
    model: Slug
    model_version: Annotated[int, Field(ge=1, le=1_000_000)]
    rows: Annotated[int, Field(ge=1, le=100_000_000)]


class JobView(BaseModel):
    """A job as it stands: ``open``, ``stopped`` (with its contract) or ``ended``."""

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
    version: Annotated[int, Field(description="the contract's version in force when it was opened")]
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
async def open_job(request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath) -> Any:
    """The same again is the same job at no new charge; one that was stopped with its contract goes on."""
    body = await read_signed_body(
        request,
        caller.verified,
        cap=parts.settings.document_bytes,
        idle=parts.settings.body_idle_seconds,
        media="application/json",
    )
    try:
        form = JobForm.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(
            "Wanted a job's recipient, model, model_version and rows; found something else.",
            next_step="compare the request to /v1/openapi.json",
        ) from None
    terms = JobParameters(form.recipient, form.model, form.model_version, form.rows)
    job = await run_in_threadpool(parts.bureau.jobs.open, caller.contract, job_id, terms)
    return job.as_dict()


@router.get(
    "",
    operation_id="job",
    summary="作业状态 / A job as it stands",
    response_model=JobView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def get_job(request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath) -> Any:
    """Whatever the contract's state."""
    await require_empty_body(request, caller.verified, parts.settings)
    found = await run_in_threadpool(parts.bureau.jobs.find, caller.contract, job_id)
    return found.as_dict()


@router.post(
    "/end",
    operation_id="end_job",
    summary="结束作业 / End a job",
    response_model=JobView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("not-found"),
)
async def end_job(request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath) -> Any:
    """Nothing more is asked under it; ending it again changes nothing."""
    await require_empty_body(request, caller.verified, parts.settings)
    ended = await run_in_threadpool(parts.bureau.jobs.end, caller.contract, job_id)
    return ended.as_dict()


@router.get(
    "/events",
    operation_id="job_events",
    summary="作业进度 / Progress of a job, as it goes on",
    response_class=StreamingResponse,
    responses=SIGNED_REQUEST_PROBLEMS
    | problem_responses("not-found", "busy")
    | {
        200: {
            "description": "Server-sent events `progress`: the job as GET tells it, with its batches by state. The "
            "first comes at once, others as something changes, until the job is not open or the time is over.",
            "content": {EVENT_STREAM_MEDIA: {"schema": {"type": "string"}}},
        }
    },
)
async def stream_job_events(
    request: Request, caller: CurrentContractCaller, parts: Dependencies, job_id: JobIdPath
) -> StreamingResponse:
    """Whatever the contract's state. Counts alone: no hash, no enterprise."""
    await require_empty_body(request, caller.verified, parts.settings)
    first = await run_in_threadpool(parts.bureau.jobs.progress, caller.contract, job_id)
    stream = _stream_progress(request, parts, caller.contract, job_id, first)
    opening = await anext(stream)  # here, so that there being no room is answered as such

    async def events() -> AsyncIterator[bytes]:
        try:
            yield opening
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    return StreamingResponse(events(), media_type=EVENT_STREAM_MEDIA)


async def _stream_progress(
    request: Request, parts: ServiceDependencies, contract: str, job_id: str, seen: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    async with parts.event_stream_limit.acquire(1):
        yield _format_event(seen)
        quiet, until = 0, asyncio.get_running_loop().time() + parts.settings.event_seconds
        while seen["state"] == "open" and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_POLL_SECONDS)
            if await request.is_disconnected():
                return
            present = await run_in_threadpool(parts.bureau.jobs.progress, contract, job_id)
            quiet = 0 if present != seen else quiet + 1
            if present != seen:
                yield _format_event(present)
            elif quiet % _POLLS_BEFORE_KEEPALIVE == 0:
                yield b":\n\n"  # a comment keeps what lies between from closing a silent connection
            seen = present


def _format_event(told: dict[str, Any]) -> bytes:
    return f"event: progress\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()
