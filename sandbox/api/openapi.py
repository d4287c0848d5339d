"""What the OpenAPI document adds to FastAPI's: problems with examples, and shared descriptions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from lab.terms.contract.document import SCHEMA
from lab.transport.problem_details import TYPE_PREFIX
from sandbox.http.problems import MEDIA_TYPE, PROBLEM_KINDS

DESCRIPTION = """\
数据局与银行联合进行的企业信用评分服务。/ Joint enterprise credit scoring by a data bureau and a bank.

**身份验证 / Authentication.** 银行的每个请求都须按 RFC 9421 签名（Ed25519）；
健康检查、数据局名片和公开的台账接口无须签名。
Banks sign every request by RFC 9421 HTTP Message Signatures with Ed25519. Health, readiness, the bureau's card and the
public part of the ledger need no signature.
Covered: `@method`, `@path`, `@query`, `content-digest` (RFC 9530, for an empty body too), `shulab-bureau` (the bureau's
public key, as `/v1/bureau` gives it). Parameters: `created` (at most 300 s off), `nonce` (used once), `keyid` (the
bank's public key, 64 hexadecimal digits), `tag="shulab"`. The key must belong to the bank of the contract in the path.

**人员 / People.** 人员先登录（`/v1/sign-in`），之后的请求携带令牌：命令行用 `Authorization: Bearer`，
浏览器用 Cookie 加 `X-CSRF-Token`。可执行的操作由角色决定。
People sign in (`/v1/sign-in`) and send a token: `Authorization: Bearer` from the command line, a cookie with
`X-CSRF-Token` from a browser. Their roles decide what they may do.

**帧 / Frames.** 二进制正文均为“帧”。Binary bodies are frames: magic `SHLB`, version, kind, header length, part count, a
canonical JSON header, then parts, each with its length. See `protocols/wire/frame.py`.

**错误 / Errors.** 错误以 RFC 9457 问题文档返回。RFC 9457 problem documents; `type` is `urn:shulab:error:<code>`.
"""

CONTRACT_EXAMPLE: dict[str, Any] = {
    "signed": {
        "contract": {
            "schema": SCHEMA,
            "id": "trial-7f3a",
            "version": 1,
            "bureau": {"name": "示例征信", "public_key": "11" * 32},
            "bank": {"name": "示例银行", "public_key": "22" * 32},
            "purpose": "credit-approval",
            "items": [{"code": "tax.declared", "form": "model-input-only"}],
            "recipients": ["信贷部 credit department"],
            "operations": ["match", "score", "portrait"],
            "detail": "dimensions",
            "models": [{"name": "credit", "version": 1, "sheet_sha256": "33" * 32}],
            "id_kind": "uscc",
            "engine": "x25519",
            "parameters": "bgv-8192-a",
            "ceilings": {
                "identifiers": 1_000_000,
                "identifiers_per_match": 100_000,
                "scores_per_enterprise": 12,
                "period_days": 365,
                "jobs_per_day": 10,
                "rows_per_job": 100_000,
                "rows_per_batch": 8192,
                "precision": 1,
            },
            "consent": {"required": False, "why": "公共数据，用于授信审批 public records, for a credit application"},
            "retention_days": 365,
            "starts": "2026-01-01T00:00:00Z",
            "expires": "2027-01-01T00:00:00Z",
        },
        "bureau_signature": "44" * 64,
        "bank_signature": None,
    },
    "state": "approved",
    "versions": [
        {
            "version": 1,
            "state": "approved",
            "sha256": "77" * 32,
            "signable": True,
            "signed_by_bank": False,
            "signed_by_bureau": True,
        }
    ],
}

_PROBLEM_EXAMPLES = {
    "invalid-input": (
        "These parts of the request are not valid: query.first.",
        "compare the request with /v1/openapi.json",
    ),
    "refused": (
        "Contract trial-7f3a allows 100000 in one request (term: identifiers_per_match); found 250000.",
        "send smaller requests",
    ),
    "not-authentic": (
        "The request is not accepted: its key is not that of a contract with this id.",
        "sign the request with the key of the bank that the contract names (RFC 9421)",
    ),
    "not-found": ("The bureau has no context with this hash.", "send it with PUT"),
    "conflict": ("Contract trial-7f3a bears another signature of the bank.", "nothing is left to do"),
    "unreachable": ("The bureau is not ready.", "try again in a minute"),
    "busy": ("All slots for heavy work are taken; the request was not started.", "send it again in 2 seconds"),
    "timeout": ("Nothing was received for 30 seconds; the body is not complete.", "send the request again"),
    "method-not-allowed": ("This path does not support this method.", "see /v1/openapi.json"),
    "too-large": ("Expected a body of at most 16384 bytes; found a larger one.", "send fewer rows at once"),
    "unsupported-media": ("Expected a body of application/octet-stream; found another type.", "see /v1/openapi.json"),
    "bad-request": ("The request is malformed.", "see /v1/openapi.json"),
    "fault": ("The service failed on this request.", "report the instance id to the bureau"),
}


def problem_responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for problem kinds, one example each; kinds with the same status share an entry."""
    found: dict[int | str, dict[str, Any]] = {}
    kinds = [PROBLEM_KINDS[code] for code in codes]
    # 429 means that this bank has used its share while others still have room.
    kinds += [replace(kind, status=429) for kind in kinds if kind.code == "busy"]
    for kind in kinds:
        code = kind.code
        detail, step = _PROBLEM_EXAMPLES[code]
        example = {
            "type": TYPE_PREFIX + code,
            "title": kind.title,
            "status": kind.status,
            "detail": detail,
            "next_step": step,
            "instance": "urn:uuid:0b8e3c4e-6f0a-4a55-9d0e-2f6a1c1f8a11",
        }
        entry = found.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        if kind.title not in entry["description"]:
            entry["description"] += f"; {kind.title}"
        entry["content"][MEDIA_TYPE]["examples"][code] = {"summary": kind.title, "value": example}
    return found


SIGNED_REQUEST_PROBLEMS = problem_responses(
    "not-authentic", "refused", "invalid-input", "timeout", "unreachable", "fault", "bad-request"
)
"""Problems that every signed route may return besides its own."""

SIGNED_IN_PROBLEMS = problem_responses(
    "not-authentic", "refused", "invalid-input", "timeout", "unreachable", "fault", "bad-request"
)
"""Problems that every route for signed-in people may return besides its own."""

_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457; `title` is Chinese and English, `next_step` says what the caller can do.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "next_step", "instance"],
    "properties": {
        "type": {"type": "string", "enum": [TYPE_PREFIX + code for code in PROBLEM_KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "next_step": {"type": "string"},
        "instance": {"type": "string", "description": "The request's id, as in X-Request-Id and in the log."},
        "faults": {
            "type": "array",
            "description": "For invalid input: the place and the rule, never the value.",
            "items": {
                "type": "object",
                "required": ["where", "rule"],
                "properties": {"where": {"type": "string"}, "rule": {"type": "string"}},
            },
        },
    },
}
_SIGNATURE_SCHEME = {
    "type": "apiKey",
    "in": "header",
    "name": "Signature",
    "description": "RFC 9421 HTTP Message Signatures; also needs Signature-Input, Content-Digest and Shulab-Bureau.",
}


def install_openapi(app: FastAPI) -> None:
    """Give ``app`` its OpenAPI 3.1 document, which is made once, on the first request."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
            components.setdefault("securitySchemes", {})["signature"] = _SIGNATURE_SCHEME
            for path, methods in schema["paths"].items():
                signed: list[dict[str, list[str]]] = [{"signature": []}] if path.startswith("/v1/contracts/") else []
                for operation in methods.values():
                    operation.setdefault("security", signed)  # routes for people declare their own
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]

    @app.head("/v1/openapi.json", include_in_schema=False)
    @app.get("/v1/openapi.json", include_in_schema=False)
    def openapi_document() -> JSONResponse:
        """Runs in a thread, since it takes a third of a second: FastAPI's own route would block all other requests."""
        return JSONResponse(app.openapi())
