"""Middleware of every request: an id, one log line, a time limit, security headers, and the last catch of errors.

It is plain ASGI, because Starlette's base class buffers and re-raises. An unexpected error is answered here and not
raised again: the server would print its text, which may contain data.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.http.problems import MEDIA_TYPE, PROBLEM_KINDS, ProblemKind, problem_body
from sandbox.monitoring.metrics import ServiceMetrics
from sandbox.monitoring.service_log import log_event

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class RequestMiddleware:
    """The one middleware of the service."""

    def __init__(
        self, app: ASGIApp, *, logger: logging.Logger, metrics: ServiceMetrics, seconds: float, linger: float
    ) -> None:
        self._app = app
        self._logger = logger
        self._metrics = metrics
        self._seconds = seconds
        self._linger = linger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within its time; answer with a problem if the application fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _RequestExchange(scope, receive, send, linger=self._linger)
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            await exchange.send_problem(
                PROBLEM_KINDS["timeout"], "The request took longer than allowed.", "send it again later"
            )
        except Exception as error:  # the last catch; see the module docstring
            log_event(self._logger, "fault", error=error, request=exchange.id)
            await exchange.send_problem(
                PROBLEM_KINDS["fault"],
                "The service failed on this request.",
                f"report the instance {exchange.id} to the bureau, whose log has the reason under it",
            )
        finally:
            exchange.write_access_log(self._logger, self._metrics)


class _RequestExchange:
    """One request and its response: counts bytes and adds headers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, linger: float) -> None:
        self.id = str(uuid.uuid4())
        self._scope = scope
        self._receive = receive
        self._send = send
        self._linger = linger
        self._body_ended = False
        self._started = time.monotonic()
        self._status = 0
        self._up = 0
        self._down = 0
        scope.setdefault("state", {})["request_id"] = self.id

    async def receive(self) -> Message:
        message = await self._receive()
        self._up += len(message.get("body", b""))
        self._body_ended = not message.get("more_body", False)  # also true for a disconnect
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = [*message.get("headers", ()), *_SECURITY_HEADERS, (b"x-request-id", self.id.encode())]
            if self._scope.get("scheme") == "https":
                headers.append(_HSTS)
            message = {**message, "headers": headers}
        else:
            self._down += len(message.get("body", b""))
            if self._status >= 400 and not message.get("more_body", False) and not self._body_ended:
                await self._send({**message, "more_body": True})
                await self._drain()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        """Receive and drop the rest of a refused body before the connection is closed.

        Closing while the caller still sends would reset the connection and lose the response: the bank would see a
        broken connection instead of the reason, such as a batch that is too large.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                while not self._body_ended:
                    await self.receive()

    async def send_problem(self, kind: ProblemKind, detail: str, next_step: str) -> None:
        """Send a problem; raises ``RuntimeError`` if a response has begun, which breaks the connection."""
        self._scope["state"]["problem"] = kind.code
        if self._status:
            raise RuntimeError("Expected no response yet, but it has begun.")
        body = problem_body(kind, detail, next_step, self.id)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": kind.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def write_access_log(self, logger: logging.Logger, metrics: ServiceMetrics) -> None:
        """Write the access line. It has the route's template, not the path, so that no text of a stranger is kept."""
        route = getattr(self._scope.get("route"), "path", "")
        state = self._scope["state"]
        seconds = time.monotonic() - self._started
        method = self._scope["method"] if route else ""
        metrics.observe_request(route, method, self._status, seconds, received=self._up, sent=self._down)
        log_event(
            logger,
            "request",
            request=self.id,
            method=self._scope["method"] if self._status != 405 else "",
            route=route,
            contract=state.get("contract", ""),
            person=state.get("person", ""),
            status=self._status,
            problem=state.get("problem", ""),
            bytes_in=self._up,
            bytes_out=self._down,
            milliseconds=round(seconds * 1000),
        )
