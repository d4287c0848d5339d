"""Figures for a monitoring system (Prometheus): for who has the token, wherever it asks from.

Where a request comes from tells nothing: behind a proxy everybody comes from the proxy, and a proxy need not say so.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from lab.terms.errors import NotAuthentic
from sandbox.auth.bank import Dependencies
from sandbox.monitoring.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", include_in_schema=False)
async def get_metrics(request: Request, parts: Dependencies) -> Response:
    """Not part of the interface for banks and people, so not in its document. Without a token nobody is answered."""
    if not _bears_token(request, parts.settings.metrics_token.get_secret_value()):
        raise NotAuthentic(
            "The figures are not for this caller.", next_step="send the bearer token (`lab bureau metrics` tells how)"
        )
    return Response(await run_in_threadpool(parts.metrics.render), media_type=MEDIA_TYPE)


def _bears_token(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
