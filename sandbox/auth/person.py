"""Authenticates the person who calls: by a bearer token (command line) or a cookie (browser).

A browser sends its cookie by itself, also when another site causes the request. So a request with a cookie that may
change something must name this origin and carry the sign-in's second token in a header.

Routes take ``person: CurrentPerson``, or ``Annotated[AccountHolder, Depends(require_permission(...))]`` if they need a
permission. They wrap their work in ``record_refusals`` if a rule may refuse it. In both cases the ledger
records the refusal.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from lab.bureau.people import AccountHolder, Permission, SignIn, SignInTokens
from lab.terms.errors import NotAllowed, NotAuthentic
from sandbox.dependencies import Dependencies, ServiceDependencies

COOKIE, CSRF_COOKIE, CSRF_HEADER = "shulab_session", "shulab_csrf", "X-CSRF-Token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_NEXT_STEP = "sign in with `lab account sign-in NAME --service URL`"
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="A token from POST /v1/sign-in.")
_COOKIE = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="cookie", description="For browsers; changes also need X-CSRF-Token."
)


async def current_sign_in(
    request: Request,
    service: Dependencies,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    cookie: Annotated[str | None, Depends(_COOKIE)],
) -> SignIn:
    """The sign-in of the request, also if its password must be changed first; raises ``NotAuthentic``."""
    request_bearer_token(request)
    token = bearer.credentials if bearer is not None else cookie
    if not token:
        raise NotAuthentic("You are not signed in.", next_step=_NEXT_STEP)
    found = await run_in_threadpool(service.bureau.accounts.find_sign_in, token)
    request.scope["state"]["person"] = found.account.name
    if bearer is None and request.method not in _SAFE_METHODS:
        check_origin(request, service)
        if not found.verify_csrf(request.headers.get(CSRF_HEADER, "")):
            raise NotAuthentic(
                f"Expected the header {CSRF_HEADER} of this sign-in; it is missing or belongs to another sign-in.",
                next_step=f"send the value of the cookie {CSRF_COOKIE} in this header",
            )
    return found


CurrentSignIn = Annotated[SignIn, Depends(current_sign_in)]


async def current_person(sign_in: CurrentSignIn) -> AccountHolder:
    """The person who calls; raises ``NotAuthentic``, or ``NotAllowed`` if they must change their password first."""
    if sign_in.account.must_change_password:
        raise NotAllowed(
            "With a one-time password you can only change the password.",
            next_step="change it with `lab account password`",
        )
    return sign_in.account.person


CurrentPerson = Annotated[AccountHolder, Depends(current_person)]


def require_permission(permission: Permission) -> Callable[..., Awaitable[AccountHolder]]:
    """A dependency: the person who calls, if they have ``permission``; otherwise the refusal is recorded."""

    async def check(person: CurrentPerson, service: Dependencies) -> AccountHolder:
        async with record_refusals(service, person, permission.value):
            person.check_permission(permission)
        return person

    return check


@asynccontextmanager
async def record_refusals(
    service: ServiceDependencies, person: AccountHolder, operation: str, contract: str | None = None
) -> AsyncIterator[None]:
    """Record a ``NotAllowed`` of the block in its own transaction, and raise it again."""
    try:
        yield
    except NotAllowed as error:
        await run_in_threadpool(service.bureau.accounts.record_refusal, person, operation, error, contract)
        raise


def request_bearer_token(request: Request) -> None:
    """Make a 401 response ask for a bearer token instead of a bank's signature."""
    request.scope["state"]["challenge"] = 'Bearer realm="shulab"'


def check_origin(request: Request, service: ServiceDependencies) -> None:
    """Raise ``NotAuthentic`` unless the request comes from a page of this service's own origin.

    Without ``public_url`` the Host header names the origin, with either scheme, because a proxy may end TLS.
    """
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    own = [service.settings.public_url] if service.settings.public_url else [f"https://{host}", f"http://{host}"]
    if not any(hmac.compare_digest(origin.encode(), one.encode()) for one in own):
        raise NotAuthentic(
            "Expected a request from this service's own page; found another origin.", next_step=_NEXT_STEP
        )


def set_sign_in_cookies(
    response: Response, request: Request, service: ServiceDependencies, tokens: SignInTokens
) -> None:
    """Set a browser's sign-in: a cookie that no script can read, and one that this origin's scripts read."""
    secure = request.url.scheme == "https" or service.settings.public_url.startswith("https:")
    for name, value, hidden in ((COOKIE, tokens.token, True), (CSRF_COOKIE, tokens.csrf, False)):
        response.set_cookie(name, value, httponly=hidden, secure=secure, samesite="strict", path="/")


def clear_sign_in_cookies(response: Response) -> None:
    """Delete a browser's sign-in cookies."""
    for name in (COOKIE, CSRF_COOKIE):
        response.delete_cookie(name, path="/")
