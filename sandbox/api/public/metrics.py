"""Metrics for Prometheus, for any caller with the token.

The caller's address is not checked: behind a proxy, all requests come from the proxy's address.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from lab.terms.errors import NotAuthentic
from sandbox.dependencies import Dependencies
from sandbox.monitoring.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", include_in_schema=False)
async def get_metrics(request: Request, service: Dependencies) -> Response:
    """Not part of the interface for banks and people, so not in the OpenAPI document. Needs the bearer token."""
    if not _has_token(request, service.settings.metrics_token.get_secret_value()):
        raise NotAuthentic(
            "Expected the bearer token for metrics; found none, or another.",
            next_step="send it in Authorization (`lab bureau metrics` shows how)",
        )
    return Response(await run_in_threadpool(service.metrics.render), media_type=MEDIA_TYPE)


def _has_token(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
