"""Figures for a monitoring system (Prometheus): for who has the token, or without one for this machine alone."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from lab.terms.errors import NotAuthentic
from sandbox.api.authentic import PartsOf
from sandbox.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, parts: PartsOf) -> Response:
    """Not part of the interface for banks and people, so not in its document."""
    token = parts.settings.metrics_token.get_secret_value()
    if not (_has(request, token) if token else _is_local(request)):
        raise NotAuthentic("The figures are not for this caller.", next_step="send the bearer token of metrics_token")
    return Response(await run_in_threadpool(parts.metrics.text), media_type=MEDIA_TYPE)


def _has(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _is_local(request: Request) -> bool:
    """A proxy on this machine passes strangers on, and says so in a header."""
    if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via")):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
