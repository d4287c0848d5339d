"""Signing in at the OpenID provider: off to it, back from it, and the code by which a command line gets its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, ShulabError
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.people.sign_in import SignInResult, sign_in_response
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import Dependencies, request_bearer_token, set_sign_in_cookies
from sandbox.dependencies import ServiceDependencies
from sandbox.oidc.pending_sign_ins import CALLBACK_PATH, SIGN_IN_SECONDS, LoopbackClient, PendingSignIn

if TYPE_CHECKING:
    from sandbox.oidc.provider import OidcProvider

router = APIRouter(prefix="/v1/sign-in/oidc", tags=["people"])
BROWSER_COOKIE = "shulab_oidc"
_S256 = r"^[A-Za-z0-9_-]{43}$"
_NEXT_STEP = "begin again at /v1/sign-in/oidc"
_SIGNED_IN_PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>已登录 Signed in</title>
<p>已登录，可以继续。 You are signed in. <a href="/">继续 Go on</a></p></html>"""


class SignInCodeForm(BaseModel):
    """The one-time code from the loopback address, and the verifier whose challenge the sign-in began with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "Jx2…", "verifier": "k" * 43}]})

    code: Annotated[str, Field(min_length=1, max_length=200)]
    verifier: Annotated[str, Field(min_length=43, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]


@router.get(
    "",
    operation_id="begin_openid",
    summary="前往身份平台 / To the provider",
    status_code=302,
    response_class=RedirectResponse,
    responses=SIGNED_IN_PROBLEMS
    | problem_responses("not-found")
    | {302: {"description": "To the provider's own page."}},
)
async def begin_openid_sign_in(
    request: Request,
    parts: Dependencies,
    port: Annotated[int | None, Query(ge=1024, le=65535, description="A command line's port on 127.0.0.1.")] = None,
    code_challenge: Annotated[str | None, Query(pattern=_S256, description="S256 of its verifier.")] = None,
    state: Annotated[str | None, Query(pattern=_S256, description="Given back to it unchanged.")] = None,
) -> Response:
    """A browser comes back signed in; with ``port``, the command line that listens there gets a code (RFC 8252)."""
    provider = _require_provider(request, parts)
    if len({one is None for one in (port, code_challenge, state)}) > 1:
        raise InvalidInput("Wanted port, code_challenge and state together.", next_step="give all or none")
    loopback = LoopbackClient(port, code_challenge, state) if port and code_challenge and state else None
    question = await provider.new_authorization_request()
    response = RedirectResponse(question.url, 302)
    response.set_cookie(
        BROWSER_COOKIE,
        parts.pending_sign_ins.begin(question, loopback),
        max_age=int(SIGN_IN_SECONDS),
        path=CALLBACK_PATH,
        httponly=True,
        samesite="lax",  # the provider sends the browser back from another site
        secure=request.url.scheme == "https" or parts.settings.public_url.startswith("https:"),
    )
    return response


@router.get(
    "/callback",
    operation_id="end_openid",
    summary="身份平台返回 / Back from the provider",
    response_class=HTMLResponse,
    responses=SIGNED_IN_PROBLEMS
    | problem_responses("not-found")
    | {
        200: {"description": "Signed in, by cookie.", "content": {"text/html": {"schema": {"type": "string"}}}},
        302: {"description": "To the command line's loopback address, with a one-time code."},
    },
)
async def finish_openid_sign_in(
    request: Request,
    parts: Dependencies,
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=4096)] = None,
    iss: Annotated[str | None, Query(max_length=500)] = None,
    browser: Annotated[str, Cookie(alias=BROWSER_COOKIE, max_length=200)] = "",
) -> Response:
    """Whatever the provider says counts only as the answer to a question that this browser was sent with."""
    provider = _require_provider(request, parts)
    begun = parts.pending_sign_ins.begun.take(state)
    if begun is None or not begun.is_from_browser(browser):
        raise NotAuthentic(
            "Wanted the answer to a sign-in that this browser began; found another.", next_step=_NEXT_STEP
        )
    try:
        response = await _complete_sign_in(request, parts, provider, begun, code, iss)
    except ShulabError as error:
        if begun.loopback is None:
            raise
        response = _redirect_to_loopback(begun.loopback, error=error.code)
    response.delete_cookie(BROWSER_COOKIE, path=CALLBACK_PATH)
    return response


@router.post(
    "/code",
    operation_id="take_openid_code",
    summary="换取令牌 / A command line's token",
    response_model=SignInResult,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(SignInCodeForm),
)
async def redeem_sign_in_code(
    request: Request, parts: Dependencies, form: Annotated[SignInCodeForm, Depends(json_body(SignInCodeForm))]
) -> Any:
    """Once, within a minute, for whoever has the verifier."""
    _require_provider(request, parts)
    tokens = parts.pending_sign_ins.redeem_code(form.code, form.verifier)
    if tokens is None:
        raise NotAuthentic("Wanted a code that has not been used, and its verifier.", next_step="sign in again")
    return sign_in_response(request, parts, tokens, cookie=False)


async def _complete_sign_in(
    request: Request,
    parts: ServiceDependencies,
    provider: OidcProvider,
    begun: PendingSignIn,
    code: str | None,
    issuer: str | None,
) -> Response:
    people = parts.bureau.accounts
    try:
        if code is None:
            raise NotAuthentic("The provider did not let you in.", next_step="sign in again")
        subject = await provider.verify_callback(begun.request, code, issuer)
    except NotAuthentic as error:
        await run_in_threadpool(people.record_oidc_failure, error.detail)
        raise
    tokens = await run_in_threadpool(people.sign_in_with_oidc, subject)
    if begun.loopback is not None:
        return _redirect_to_loopback(
            begun.loopback, code=parts.pending_sign_ins.issue_code(tokens, begun.loopback.challenge)
        )
    response = HTMLResponse(_SIGNED_IN_PAGE)
    set_sign_in_cookies(response, request, parts, tokens)
    return response


def _redirect_to_loopback(loopback: LoopbackClient, **facts: str) -> RedirectResponse:
    query = urlencode({"state": loopback.state, **facts})
    return RedirectResponse(f"http://127.0.0.1:{loopback.port}/signed-in?{query}", 302)


def _require_provider(request: Request, parts: ServiceDependencies) -> OidcProvider:
    request_bearer_token(request)
    if parts.oidc_provider is None:
        raise NotFound("This bureau has no OpenID provider.", next_step="sign in with a password")
    return parts.oidc_provider
