"""The witness over HTTP: ``POST /add-checkpoint`` and ``GET /<hash of the origin>/checkpoint`` (C2SP tlog-witness).

Nothing here is secret, and a request counts by the signatures in it, so there is no sign-in. Bodies are bounded in size
and time, and few requests are served at once. Connections without a complete request cannot block others: beyond a
fixed number, the oldest is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response
from starlette.requests import ClientDisconnect

from lab.terms.errors import ShulabError
from lab.terms.names import is_hex32
from lab.terms.witnessing.consistency_proof import MAX_REQUEST_BYTES
from lab.transport.head_deadline import HeadDeadlineProtocol
from lab.transport.listening import open_listener
from lab.witness.cosigning import CheckpointCosigner

SIZE_MEDIA = "text/x.tlog.size"
_BODY_SECONDS = 15.0
_HEAD_SECONDS = 10.0
_AT_ONCE, _UNFINISHED = 64, 48


def create_app(cosigner: CheckpointCosigner) -> FastAPI:
    """The application over an opened witness."""
    app = FastAPI(title="Shulab witness", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _read(request)
        except TimeoutError:
            return PlainTextResponse("the request took too long\n", 408)
        except ClientDisconnect:
            return PlainTextResponse("broken off\n", 400)
        if body is None:
            return PlainTextResponse(f"at most {MAX_REQUEST_BYTES} bytes\n", 413)
        response = await run_in_threadpool(cosigner.add_checkpoint, body)
        media = SIZE_MEDIA if response.is_size else "text/plain; charset=utf-8"
        return Response(response.body.encode(), response.status, headers={"content-type": media})

    @app.get("/{folder}/checkpoint")
    async def checkpoint(folder: str) -> Response:
        found = await run_in_threadpool(cosigner.last_checkpoint_text, folder) if is_hex32(folder) else None
        return PlainTextResponse("nothing cosigned\n", 404) if found is None else PlainTextResponse(found)

    @app.exception_handler(ShulabError)
    async def failed(_: Request, error: ShulabError) -> Response:
        """A fault of the witness's own folder concerns its operator; a caller learns no more than that there is one."""
        return PlainTextResponse("the witness cannot work; its operator must look into it\n", 500)

    return app


async def _read(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_REQUEST_BYTES:
            return None
    return bytes(body)


class _RequestDeadlineProtocol(HeadDeadlineProtocol):
    """It is also closed when it is the oldest of too many connections without a complete request."""

    head_seconds = _HEAD_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        waiting = [
            one for one in self.connections if isinstance(one, _RequestDeadlineProtocol) and one._is_unfinished()
        ]
        if len(waiting) > _UNFINISHED:
            min(waiting, key=lambda one: one._since).transport.abort()

    def _is_unfinished(self) -> bool:
        return not self.transport.is_closing() and (self.is_headless() or self.cycle.more_body)


class _WitnessServer(uvicorn.Server):
    """A server that writes its port to a file once it listens."""

    def __init__(self, config: uvicorn.Config, port_file: Path | None) -> None:
        super().__init__(config)
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and self._port_file is not None:
            draft = self._port_file.with_name(self._port_file.name + ".part")
            draft.write_text(f"{self.servers[0].sockets[0].getsockname()[1]}\n")
            os.replace(draft, self._port_file)


def server_config(
    cosigner: CheckpointCosigner, *, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Config:
    """The configuration of uvicorn for a witness."""
    return uvicorn.Config(
        create_app(cosigner),
        http=_RequestDeadlineProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def serve(
    cosigner: CheckpointCosigner,
    host: str,
    port: int,
    *,
    port_file: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. ``port`` 0: a free port. ``certificate`` and ``key``: PEM files for TLS.

    Raises ``Conflict`` if it cannot listen there.
    """
    listening = open_listener(host, port)
    config = server_config(cosigner, certificate=certificate, key=key)
    # uvicorn raises the signal again when it has shut down; with these handlers that means: return.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, frame: None)
    with listening:
        _WitnessServer(config, port_file).run(sockets=[listening])
