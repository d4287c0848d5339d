"""Whether the process runs, and whether it can serve. Public; the responses show nothing of data or contracts.

Public routes answer HEAD as they answer GET, without the body: load balancers and monitors ask so.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from lab.terms.errors import ShulabError, Unreachable
from sandbox.api.openapi import problem_responses
from sandbox.dependencies import Dependencies
from sandbox.monitoring.service_log import log_event

router = APIRouter(prefix="/v1", tags=["health"])


class HealthView(BaseModel):
    """The process runs."""

    status: Literal["ok"]


class ReadinessView(BaseModel):
    """The database and the keys are available too."""

    status: Literal["ready"]


@router.head("/health", include_in_schema=False)
@router.get(
    "/health", operation_id="health", summary="进程正在运行 / The process runs", responses=problem_responses("fault")
)
async def get_health() -> HealthView:
    """Always ``ok`` while the process runs."""
    return HealthView(status="ok")


@router.head("/ready", include_in_schema=False)
@router.get(
    "/ready",
    operation_id="ready",
    summary="可以提供服务 / Ready to serve",
    responses=problem_responses("unreachable", "fault"),
)
async def get_readiness(service: Dependencies) -> ReadinessView:
    """503 until the bureau's database and keys are available; the log says why, the response does not."""
    try:
        await run_in_threadpool(service.bureau.readiness)
    except Exception as error:  # any reason for not being ready
        log_event(service.logger, "not ready", error=error, why=error.code if isinstance(error, ShulabError) else "")
        raise Unreachable("The bureau is not ready.", next_step="try again in a minute") from None
    return ReadinessView(status="ready")
