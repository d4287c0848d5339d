"""What a running service is made of, and how a route reaches it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from lab.bureau.bureau import Bureau
from lab.bureau.exchange import Charge
from sandbox.http.limits import Budget, Places, Waits
from sandbox.http.upload_limits import Uploads
from sandbox.monitoring.metrics import Metrics
from sandbox.oidc.pending_sign_ins import Waiting
from sandbox.settings import ServiceSettings

if TYPE_CHECKING:
    from sandbox.oidc.provider import Provider


@dataclass(frozen=True)
class Parts:
    """The bureau, its settings, the places for heavy work and for checking passwords, the log, the OpenID provider, the
    room for bodies on their way in, the open streams, who waits for replies, the figures, who is told of a charged
    batch, and the sign-ins under way at the provider."""

    bureau: Bureau
    bureau_key: str
    settings: ServiceSettings
    places: Places
    sign_ins: Places
    logger: logging.Logger
    provider: Provider | None
    uploads: Uploads
    streams: Budget
    waits: Waits
    metrics: Metrics
    begin: Callable[[Charge], None]
    waiting: Waiting = field(default_factory=Waiting)


def parts_of(request: Request) -> Parts:
    """The parts of the service that serves ``request`` (a FastAPI dependency)."""
    parts = request.app.state.parts
    if not isinstance(parts, Parts):
        raise TypeError("the application was not composed by sandbox.app")
    return parts
