"""Sign-in at the OpenID provider: the redirect, the callback, and the code by which a command line gets its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, ShulabError
from lab.terms.fields.bounded_types import Line
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.people.sign_in import SignInResult, sign_in_response
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import request_bearer_token, set_sign_in_cookies
from sandbox.dependencies import Dependencies, ServiceDependencies
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
    """The one-time code from the loopback address, and the PKCE verifier of the sign-in (RFC 7636)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "Jx2…", "verifier": "k" * 43}]})

    code: Annotated[Line, Field(min_length=1, max_length=200)]
    verifier: Annotated[str, Field(min_length=43, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]


@router.get(
    "",
    operation_id="begin_openid",
    summary="前往身份平台 / Go to the provider",
    status_code=302,
    response_class=RedirectResponse,
    responses=SIGNED_IN_PROBLEMS
    | problem_responses("not-found")
    | {302: {"description": "Redirect to the provider's page."}},
)
async def begin_openid_sign_in(
    request: Request,
    service: Dependencies,
    port: Annotated[int | None, Query(ge=1024, le=65535, description="A command line's port on 127.0.0.1.")] = None,
    code_challenge: Annotated[str | None, Query(pattern=_S256, description="S256 of its verifier.")] = None,
    state: Annotated[str | None, Query(pattern=_S256, description="Returned to it unchanged.")] = None,
) -> Response:
    """A browser is signed in on its return; with ``port``, a command line that listens there gets a code (RFC 8252)."""
    provider = _require_provider(request, service)
    if len({one is None for one in (port, code_challenge, state)}) > 1:
        raise InvalidInput("Expected port, code_challenge and state together.", next_step="give all or none")
    loopback = LoopbackClient(port, code_challenge, state) if port and code_challenge and state else None
    authorization = await provider.new_authorization_request()
    response = RedirectResponse(authorization.url, 302)
    response.set_cookie(
        BROWSER_COOKIE,
        service.pending_sign_ins.begin(authorization, loopback),
        max_age=int(SIGN_IN_SECONDS),
        path=CALLBACK_PATH,
        httponly=True,
        samesite="lax",  # the provider sends the browser back from another site
        secure=request.url.scheme == "https" or service.settings.public_url.startswith("https:"),
    )
    return response


@router.get(
    "/callback",
    operation_id="end_openid",
    summary="从身份平台返回 / Back from the provider",
    response_class=HTMLResponse,
    responses=SIGNED_IN_PROBLEMS
    | problem_responses("not-found")
    | {
        200: {"description": "Signed in, by cookie.", "content": {"text/html": {"schema": {"type": "string"}}}},
        302: {"description": "Redirect to the command line's loopback address, with a one-time code."},
    },
)
async def finish_openid_sign_in(
    request: Request,
    service: Dependencies,
    state: Annotated[Line, Query(max_length=200)],
    code: Annotated[Line | None, Query(max_length=4096)] = None,
    iss: Annotated[Line | None, Query(max_length=500)] = None,
    browser: Annotated[Line, Cookie(alias=BROWSER_COOKIE, max_length=200)] = "",
) -> Response:
    """Accept the provider's callback only for a sign-in that this browser began."""
    provider = _require_provider(request, service)
    pending = service.pending_sign_ins.begun.take(state)
    if pending is None or not pending.is_from_browser(browser):
        raise NotAuthentic(
            "Expected the callback of a sign-in that this browser began; found another.", next_step=_NEXT_STEP
        )
    try:
        response = await _complete_sign_in(request, service, provider, pending, code, iss)
    except ShulabError as error:
        if pending.loopback is None:
            raise
        response = _redirect_to_loopback(pending.loopback, error=error.code)
    response.delete_cookie(BROWSER_COOKIE, path=CALLBACK_PATH)
    return response


@router.post(
    "/code",
    operation_id="take_openid_code",
    summary="换取令牌 / Exchange the code for a token",
    response_model=SignInResult,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(SignInCodeForm),
)
async def redeem_sign_in_code(
    request: Request, service: Dependencies, form: Annotated[SignInCodeForm, Depends(json_body(SignInCodeForm))]
) -> Any:
    """Possible once, within a minute, with the verifier."""
    _require_provider(request, service)
    tokens = service.pending_sign_ins.redeem_code(form.code, form.verifier)
    if tokens is None:
        raise NotAuthentic("Expected an unused code and its verifier; found another.", next_step="sign in again")
    return sign_in_response(request, service, tokens, cookie=False)


async def _complete_sign_in(
    request: Request,
    service: ServiceDependencies,
    provider: OidcProvider,
    pending: PendingSignIn,
    code: str | None,
    issuer: str | None,
) -> Response:
    people = service.bureau.accounts
    try:
        if code is None:
            raise NotAuthentic("The provider refused the sign-in.", next_step="sign in again")
        subject = await provider.verify_callback(pending.request, code, issuer)
    except NotAuthentic as error:
        await run_in_threadpool(people.record_oidc_failure, error.detail)
        raise
    tokens = await run_in_threadpool(people.sign_in_with_oidc, subject)
    if pending.loopback is not None:
        return _redirect_to_loopback(
            pending.loopback, code=service.pending_sign_ins.issue_code(tokens, pending.loopback.challenge)
        )
    response = HTMLResponse(_SIGNED_IN_PAGE)
    set_sign_in_cookies(response, request, service, tokens)
    return response


def _redirect_to_loopback(loopback: LoopbackClient, **facts: str) -> RedirectResponse:
    query = urlencode({"state": loopback.state, **facts})
    return RedirectResponse(f"http://127.0.0.1:{loopback.port}/signed-in?{query}", 302)


def _require_provider(request: Request, service: ServiceDependencies) -> OidcProvider:
    request_bearer_token(request)
    if service.oidc_provider is None:
        raise NotFound("This bureau has no OpenID provider.", next_step="sign in with a password")
    return service.oidc_provider
