"""Whether the service runs, and whether it can serve. Public; neither says anything of data or contracts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from lab.terms.errors import ShulabError, Unreachable
from sandbox.api.openapi import problems
from sandbox.auth.bank import PartsOf
from sandbox.monitoring.service_log import note

router = APIRouter(prefix="/v1", tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """The database and the keys answer too."""

    status: Literal["ready"]


@router.get("/health", operation_id="health", summary="进程存活 / The process answers", responses=problems("fault"))
async def health() -> Health:
    """Always ``ok`` while the process answers."""
    return Health(status="ok")


@router.get(
    "/ready",
    operation_id="ready",
    summary="可以服务 / Ready to serve",
    responses=problems("unreachable", "fault"),
)
async def ready(parts: PartsOf) -> Readiness:
    """503 until the bureau's database and keys answer; the log says why, the answer does not."""
    try:
        await run_in_threadpool(parts.bureau.ready)
    except Exception as error:  # whatever keeps it from being ready
        note(parts.logger, "not ready", error=error, why=error.code if isinstance(error, ShulabError) else "")
        raise Unreachable("The bureau is not ready.", next_step="try again in a minute") from None
    return Readiness(status="ready")
