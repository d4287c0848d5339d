"""The objects that the routes share, and how a route gets them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

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
    """The objects that the routes of one service share.

    ``heavy_work_limit`` is for matching and scoring, ``sign_in_limit`` for checking passwords; ``uploads`` holds bodies
    while they are received; ``enqueue_batch`` is called with each charged batch.
    """

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
    """The dependencies of the service that serves ``request``; for FastAPI's ``Depends``."""
    service = request.app.state.dependencies
    if not isinstance(service, ServiceDependencies):
        raise TypeError("Expected an application made by sandbox.app.create_app.")
    return service


Dependencies = Annotated[ServiceDependencies, Depends(get_dependencies)]
"""The parameter of a route that needs them."""
