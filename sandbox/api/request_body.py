"""Receives request bodies, with limits on size, on the pause between pieces and on the average speed.

A large body is received whole (``receive_signed_body``), within its bank's share of the room
(``sandbox.http.upload_limits``), before it takes a slot for heavy work. So a slow sender does not make others wait.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from lab.terms.errors import NotAuthentic
from protocols.wire.http_signatures import SignatureRejected, VerifiedRequest
from sandbox.auth.bank import ContractCaller
from sandbox.dependencies import ServiceDependencies, get_dependencies
from sandbox.http.problems import HttpProblem
from sandbox.http.upload_limits import Upload
from sandbox.settings import ServiceSettings

FRAME_MEDIA = "application/octet-stream"
JSON_MEDIA = "application/json"
RECEIPT_HEADER = "Shulab-Receipt"
RECEIPT_HEADERS: dict[str, Any] = {
    "headers": {
        RECEIPT_HEADER: {
            "description": "Base64 of JSON (shulab-receipt/2): the ledger entry that recorded this, the proof that it "
            "is in the ledger, and the signed tree head that the proof leads to.",
            "schema": {"type": "string"},
            "example": base64.b64encode(b'{"schema":"shulab-receipt/2","entry":{},"inclusion":{}}').decode(),
        }
    }
}
"""For OpenAPI: the receipt in a response's headers."""
BodyModel = TypeVar("BodyModel", bound=BaseModel)


async def read_signed_body(
    request: Request, verified: VerifiedRequest, *, cap: int, idle: float, media: str = ""
) -> bytes:
    """The body, at most ``cap`` bytes, compared with the signed digest.

    Raises as ``receive_body`` does, and ``NotAuthentic`` if the digest differs.
    """
    received = await receive_body(request, cap=cap, idle=idle, media=media)
    try:
        await run_in_threadpool(verified.check_body, received)
    except SignatureRejected as error:
        raise NotAuthentic(f"The request is not accepted: {error}.", next_step="sign the request again") from None
    return received


@asynccontextmanager
async def receive_signed_body(
    request: Request, caller: ContractCaller, service: ServiceDependencies, *, cap: int, media: str = FRAME_MEDIA
) -> AsyncIterator[ReceivedBody]:
    """The body of a bank's signed request, received but not yet read.

    Raises as ``receive_body`` and ``UploadLimiter.open`` do.
    """
    settings = service.settings
    cap = min(cap, service.uploads.share)
    announced = request.headers.get("content-length", "")
    announced_bytes = int(announced) if announced.isdigit() else 0
    if announced_bytes > cap:
        raise _too_large(cap)
    async with service.uploads.open(caller.bank, announced_bytes) as upload:
        async for piece in _read_pieces(
            request, cap=cap, idle=settings.body_idle_seconds, media=media, rate=settings.body_bytes_per_second
        ):
            await upload.write(piece)
        yield ReceivedBody(upload, caller.verified)


class ReceivedBody:
    """A body that was received whole."""

    def __init__(self, upload: Upload, verified: VerifiedRequest) -> None:
        self._upload, self._verified = upload, verified

    def read(self) -> bytes:
        """The whole body; blocks. Raises ``NotAuthentic`` if its digest is not the signed one."""
        body = self._upload.read()
        try:
            self._verified.check_body(body)
        except SignatureRejected as error:
            raise NotAuthentic(f"The request is not accepted: {error}.", next_step="sign the request again") from None
        return body


async def receive_body(request: Request, *, cap: int, idle: float, media: str = "") -> bytes:
    """The body, at most ``cap`` bytes; raises ``HttpProblem`` (413 too large, 415 other media type, 408 too slow or
    incomplete)."""
    body = bytearray()
    async for piece in _read_pieces(request, cap=cap, idle=idle, media=media):
        body += piece
    return bytes(body)


async def receive_body_to_file(request: Request, file: BinaryIO, *, cap: int, idle: float, media: str = "") -> None:
    """Write the body, at most ``cap`` bytes, to ``file`` as it arrives; raises as ``receive_body`` does."""
    async for piece in _read_pieces(request, cap=cap, idle=idle, media=media):
        await run_in_threadpool(file.write, piece)
    await run_in_threadpool(file.flush)


async def _read_pieces(request: Request, *, cap: int, idle: float, media: str, rate: int = 0) -> AsyncIterator[bytes]:
    begun = time.monotonic()
    _check_headers(request, cap=cap, media=media)
    received = 0
    stream = request.stream().__aiter__()
    try:
        while True:
            async with asyncio.timeout(idle):
                piece = await anext(stream, None)
            if piece is None:
                break
            received += len(piece)
            if received > cap:
                raise _too_large(cap)
            seconds = time.monotonic() - begun
            if seconds > idle and received < rate * seconds:
                raise HttpProblem(
                    "timeout",
                    f"Expected at least {rate} bytes of the body a second; it came more slowly.",
                    headers={"Connection": "close"},
                )
            yield piece
    except TimeoutError:
        raise HttpProblem("timeout", f"Nothing was received for {idle:g} seconds; the body is not complete.") from None
    except ClientDisconnect:
        raise HttpProblem("timeout", "The connection ended before the body was complete.") from None


def _check_headers(request: Request, *, cap: int, media: str) -> None:
    if media and request.headers.get("content-type", "").partition(";")[0].strip().lower() != media:
        raise HttpProblem("unsupported-media", f"Expected a body of {media}; found another type.")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > cap:
        raise _too_large(cap)


def _too_large(cap: int) -> HttpProblem:
    # The rest of the body is not read, so the connection cannot be used again.
    return HttpProblem(
        "too-large",
        f"Expected a body of at most {cap} bytes; found a larger one.",
        next_step="send fewer rows at once, or ask the bureau to raise its limit",
        headers={"Connection": "close"},
    )


def json_body(model: type[BodyModel], cap: int | None = None) -> Callable[..., Awaitable[BodyModel]]:
    """A dependency that reads a JSON body of at most ``cap`` bytes (default: ``document_bytes``) as ``model``.

    FastAPI by itself would read a body of any size. Use it with ``openapi_extra=openapi_json_body(model)``, and after
    the dependency that authenticates the caller.
    """

    async def read(request: Request, service: Annotated[ServiceDependencies, Depends(get_dependencies)]) -> BodyModel:
        settings = service.settings
        body = await receive_body(
            request, cap=cap or settings.document_bytes, idle=settings.body_idle_seconds, media=JSON_MEDIA
        )
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None

    return read


def openapi_json_body(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI's description of a request body that is a JSON document of ``model``, which must not refer to others."""
    content = {JSON_MEDIA: {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def openapi_frame_body(description: str) -> dict[str, Any]:
    """OpenAPI's description of a request body that is a frame."""
    schema = {"type": "string", "format": "binary"}
    return {"requestBody": {"required": True, "description": description, "content": {FRAME_MEDIA: {"schema": schema}}}}


def openapi_frame_response(description: str) -> dict[str, Any]:
    """OpenAPI's description of a response that is a frame."""
    return {"description": description, "content": {FRAME_MEDIA: {"schema": {"type": "string", "format": "binary"}}}}


async def require_empty_body(request: Request, verified: VerifiedRequest, settings: ServiceSettings) -> None:
    """For routes without a body: check that the body is empty and that the signed digest is that of an empty body."""
    await read_signed_body(request, verified, cap=0, idle=settings.body_idle_seconds)
