"""What a running service is made of, and how a route reaches it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastapi import Request

from lab.bureau.office import Bureau
from sandbox.places import Places
from sandbox.settings import ServiceSettings


@dataclass(frozen=True)
class Parts:
    """The bureau, its settings, the places for heavy work and for checking passwords, and the log."""

    bureau: Bureau
    bureau_key: str
    settings: ServiceSettings
    places: Places
    sign_ins: Places
    logger: logging.Logger


def parts_of(request: Request) -> Parts:
    """The parts of the service that serves ``request`` (a FastAPI dependency)."""
    parts = request.app.state.parts
    if not isinstance(parts, Parts):
        raise TypeError("the application was not composed by sandbox.app")
    return parts
