"""Connections that end when the head of a request is late.

uvicorn limits how long a kept connection may be idle, but not how long a head may take: a connection that sends half of
one, or nothing, would stay open forever.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class HeadDeadlineProtocol(H11Protocol):
    """A connection that is closed ``head_seconds`` after it was opened, or after the first byte of a further request,
    unless the request's head is complete by then."""

    head_seconds: ClassVar[float] = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first head."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Start or stop the timer by what came."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def is_headless(self) -> bool:
        """Whether no request is under way, so that a head is due next."""
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        """Run the timer while a head is incomplete; more of it does not set the timer back."""
        if not self.is_headless():
            if self._late is not None:
                self._late.cancel()
                self._late = None
        elif self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self._close_if_headless)

    def _close_if_headless(self) -> None:
        self._late = None
        if self.is_headless():
            self.transport.abort()


def head_deadline_protocol(seconds: float) -> type[HeadDeadlineProtocol]:
    """The protocol with this deadline, for uvicorn's ``http`` setting."""
    return type("HeadDeadlineProtocol", (HeadDeadlineProtocol,), {"head_seconds": seconds})
