"""What a running service is made of, and how a route reaches it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from lab.bureau.bureau import Bureau
from lab.bureau.exchange import BatchCharge
from sandbox.http.limits import CapacityLimit, ConcurrencyLimit, WaitLimit
from sandbox.http.upload_limits import UploadLimiter
from sandbox.monitoring.metrics import ServiceMetrics
from sandbox.oidc.pending_sign_ins import PendingSignIns
from sandbox.settings import ServiceSettings

if TYPE_CHECKING:
    from sandbox.oidc.provider import OidcProvider


@dataclass(frozen=True)
class ServiceDependencies:
    """The bureau, its settings, the places for heavy work and for checking passwords, the log, the OpenID provider, the
    room for bodies on their way in, the open streams, who waits for replies, the figures, who is told of a charged
    batch, and the sign-ins under way at the provider."""

    bureau: Bureau
    bureau_key: str
    settings: ServiceSettings
    heavy_work_limit: ConcurrencyLimit
    sign_in_limit: ConcurrencyLimit
    logger: logging.Logger
    oidc_provider: OidcProvider | None
    uploads: UploadLimiter
    event_stream_limit: CapacityLimit
    reply_wait_limit: WaitLimit
    metrics: ServiceMetrics
    enqueue_batch: Callable[[BatchCharge], None]
    pending_sign_ins: PendingSignIns = field(default_factory=PendingSignIns)


def get_dependencies(request: Request) -> ServiceDependencies:
    """The parts of the service that serves ``request`` (a FastAPI dependency)."""
    parts = request.app.state.parts
    if not isinstance(parts, ServiceDependencies):
        raise TypeError("the application was not composed by sandbox.app")
    return parts
