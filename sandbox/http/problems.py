"""Errors as problem documents (RFC 9457), with titles in Chinese and English, and never an input value.

An unexpected error gets 500 and only the request's id; the log has the error's type and place under this id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lab.disk.checked_files import DamagedFile
from lab.terms.errors import (
    Busy,
    Conflict,
    InvalidInput,
    MachineFault,
    NotAllowed,
    NotAuthentic,
    NotFound,
    ShulabError,
    Unreachable,
)
from lab.transport.problem_details import TYPE_PREFIX
from sandbox.monitoring.service_log import LOGGER_NAME, log_event

MEDIA_TYPE = "application/problem+json"
_DAMAGE_RETRY_AFTER = 2  # seconds: some damage is mended by the next request, the other by a person


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem: its code (last part of ``type``), HTTP status and title in both languages."""

    code: str
    status: int
    zh: str
    en: str

    @classmethod
    def of(cls, family: type[ShulabError], zh: str, en: str) -> ProblemKind:
        """The kind of an error family."""
        return cls(family.code, family.status, zh, en)

    @property
    def title(self) -> str:
        """The title in both languages."""
        return f"{self.zh} / {self.en}"


PROBLEM_KINDS: Mapping[str, ProblemKind] = {
    kind.code: kind
    for kind in (
        ProblemKind.of(InvalidInput, "输入无效", "Invalid input"),
        ProblemKind.of(NotAllowed, "不允许", "Not allowed"),
        ProblemKind.of(NotAuthentic, "身份未通过验证", "Not authenticated"),
        ProblemKind.of(NotFound, "不存在", "Not found"),
        ProblemKind.of(Conflict, "与当前状态冲突", "Conflict with the present state"),
        ProblemKind.of(Unreachable, "暂时不可用", "Temporarily unavailable"),
        ProblemKind.of(Busy, "服务繁忙", "Busy"),
        ProblemKind.of(MachineFault, "服务器无法执行", "The server's machine cannot do it"),
        ProblemKind("timeout", 408, "请求超时", "Request timed out"),
        ProblemKind("method-not-allowed", 405, "不支持的方法", "Method not allowed"),
        ProblemKind("too-large", 413, "内容过大", "Content too large"),
        ProblemKind("unsupported-media", 415, "不支持的内容类型", "Content type not supported"),
        ProblemKind("bad-request", 400, "请求格式错误", "Malformed request"),
        ProblemKind.of(ShulabError, "服务内部错误", "Internal error of the service"),
    )
}


class HttpProblem(Exception):
    """A problem of HTTP itself, which no error family covers: size, media type, time, capacity."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        next_step: str = "",
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = PROBLEM_KINDS[code] if status is None else replace(PROBLEM_KINDS[code], status=status)
        self.detail = detail
        self.next_step = next_step
        self.headers = dict(headers or {})


def problem_body(kind: ProblemKind, detail: str, next_step: str, request_id: str, faults: Sequence[Any] = ()) -> bytes:
    """The JSON bytes of a problem document; ``instance`` is the request's id, as in the log and in X-Request-Id."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "next_step": next_step,
        "instance": f"urn:uuid:{request_id}",
    }
    if faults:
        body["faults"] = list(faults)
    return json.dumps(body, ensure_ascii=False).encode()


def problem_response(
    request: Request,
    kind: ProblemKind,
    detail: str,
    *,
    next_step: str = "",
    headers: Mapping[str, str] | None = None,
    faults: Sequence[Any] = (),
) -> Response:
    """A problem response; sets the code for the access log."""
    request.scope.setdefault("state", {})["problem"] = kind.code
    body = problem_body(kind, detail, next_step, request.scope["state"].get("request_id", ""), faults)
    extra = dict(headers or {})
    if kind.status == 401:
        extra.setdefault("WWW-Authenticate", request.scope["state"].get("challenge", 'Signature realm="shulab"'))
    return Response(body, kind.status, headers=extra, media_type=MEDIA_TYPE)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document."""
    app.add_exception_handler(ShulabError, _on_shulab)
    app.add_exception_handler(HttpProblem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)


async def _on_shulab(request: Request, error: Exception) -> Response:
    if not isinstance(error, ShulabError):
        raise error
    if isinstance(error, DamagedFile):
        return _on_damage(request, error)
    kind = PROBLEM_KINDS[error.code]
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unreachable) else {}
    return problem_response(request, kind, error.detail, next_step=error.next_step, headers=headers)


def _on_damage(request: Request, error: DamagedFile) -> Response:
    """A damaged file of the bureau: its log names the file, the caller learns that it is the bureau's to repair."""
    log_event(logging.getLogger(LOGGER_NAME), "file damaged", error=error, file=error.path.name)
    return problem_response(
        request,
        PROBLEM_KINDS[Unreachable.code],
        "A file of the bureau is damaged; the request was not answered.",
        next_step="tell the bureau (its operator runs `lab doctor --deep`), and run the same command again later",
        headers={"Retry-After": str(_DAMAGE_RETRY_AFTER)},
    )


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, HttpProblem):
        raise error
    return problem_response(request, error.kind, error.detail, next_step=error.next_step, headers=error.headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    """Name the place and the rule. FastAPI's own response would repeat the input."""
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [
        {"where": ".".join(str(part) for part in fault["loc"]), "rule": str(fault["type"])} for fault in error.errors()
    ]
    places = ", ".join(sorted({fault["where"] for fault in faults}))
    return problem_response(
        request,
        PROBLEM_KINDS["invalid-input"],
        f"These parts of the request are not valid: {places}.",
        next_step="compare the request with /v1/openapi.json",
        faults=faults,
    )


_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media"}


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    default = "bad-request" if error.status_code < 500 else "fault"
    kind = PROBLEM_KINDS[_HTTP_CODES.get(error.status_code, default)]
    detail = {
        "not-found": "There is nothing at this path.",
        "method-not-allowed": "This path does not support this method.",
    }.get(kind.code, "The request is malformed.")
    return problem_response(request, kind, detail, next_step="see /v1/openapi.json", headers=error.headers)
