"""Sign in and out with a password, show who is signed in, and change the password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.people import ROLE_PERMISSIONS, SignIn, SignInTokens
from lab.terms.errors import NotAllowed
from lab.terms.fields.bounded_types import AccountName
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import (
    COOKIE,
    CurrentSignIn,
    check_origin,
    clear_sign_in_cookies,
    request_bearer_token,
    set_sign_in_cookies,
)
from sandbox.dependencies import Dependencies, ServiceDependencies

router = APIRouter(prefix="/v1", tags=["people"])
PasswordField = Annotated[str, Field(min_length=1, max_length=1024)]
_CURRENT_PERSON_EXAMPLE: dict[str, Any] = {
    "account": "li.wei",
    "shown_name": "李伟",
    "department": "credit",
    "roles": ["officer"],
    "must_change": False,
    "expires_at": "2026-01-01T20:00:00Z",
}


class SignInForm(BaseModel):
    """Name and password. ``new_password`` also changes it, which a one-time password requires."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "li.wei", "password": "correct horse battery"}]}
    )

    name: AccountName
    password: PasswordField
    new_password: PasswordField | None = None
    cookie: Annotated[bool, Field(description="For browsers: put the token into a cookie, not into the body.")] = False


class PasswordChangeForm(BaseModel):
    """The present password and the new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"password": "correct horse battery", "new_password": "staple tree river"}]},
    )

    password: PasswordField
    new_password: PasswordField


class CurrentPersonView(BaseModel):
    """The person who is signed in, and their permissions."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_CURRENT_PERSON_EXAMPLE | {"permissions": ["read contracts"]}]}
    )

    account: str
    shown_name: str
    department: str
    roles: list[str]
    permissions: list[str]
    must_change: Annotated[bool, Field(description="Signed in with a one-time password, which must be changed first.")]
    expires_at: datetime


class SignInResult(BaseModel):
    """A new sign-in. The tokens are shown once; ``token`` is null if it is in a cookie."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_CURRENT_PERSON_EXAMPLE | {"token": "mZ3…", "csrf": None}]}
    )

    account: str
    shown_name: str
    department: str
    roles: list[str]
    must_change: bool
    expires_at: datetime
    token: str | None
    csrf: str | None


class SignOutResult(BaseModel):
    """The sign-in has ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"signed_out": True}]})

    signed_out: bool


@router.post(
    "/sign-in",
    operation_id="sign_in",
    summary="登录 / Sign in",
    response_model=SignInResult,
    responses=SIGNED_IN_PROBLEMS | problem_responses("busy", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(SignInForm),
)
async def sign_in(
    request: Request, service: Dependencies, form: Annotated[SignInForm, Depends(json_body(SignInForm))]
) -> Any:
    """The response to a failed sign-in does not depend on the reason."""
    request_bearer_token(request)
    if not service.settings.local_accounts:
        raise NotAllowed(
            "At this bureau people sign in at its OpenID provider only.",
            next_step="sign in with `lab account sign-in --browser --service URL`",
        )
    if form.cookie:
        check_origin(request, service)
    async with service.sign_in_limit.acquire() as slot:
        tokens = await slot.run(service.bureau.accounts.sign_in, form.name, form.password, form.new_password)
    return sign_in_response(request, service, tokens, cookie=form.cookie)


@router.post(
    "/sign-out",
    operation_id="sign_out",
    summary="退出 / Sign out",
    response_model=SignOutResult,
    responses=SIGNED_IN_PROBLEMS,
)
async def sign_out(sign_in: CurrentSignIn, service: Dependencies) -> Response:
    """The token is invalid afterwards."""
    await run_in_threadpool(service.bureau.accounts.sign_out, sign_in)
    response = JSONResponse({"signed_out": True})
    clear_sign_in_cookies(response)
    return response


@router.get(
    "/me",
    operation_id="me",
    summary="我是谁 / Who I am",
    response_model=CurrentPersonView,
    responses=SIGNED_IN_PROBLEMS,
)
async def get_current_person(sign_in: CurrentSignIn) -> Any:
    """Also for people who must change their password first."""
    permissions = {permission for role in sign_in.account.roles for permission in ROLE_PERMISSIONS[role]}
    return _describe_account(sign_in) | {"permissions": sorted(permissions)}


@router.post(
    "/me/password",
    operation_id="change_password",
    summary="更改口令 / Change the password",
    response_model=SignInResult,
    responses=SIGNED_IN_PROBLEMS | problem_responses("busy", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(PasswordChangeForm),
)
async def change_password(
    request: Request,
    sign_in: CurrentSignIn,
    service: Dependencies,
    form: Annotated[PasswordChangeForm, Depends(json_body(PasswordChangeForm))],
) -> Any:
    """All sign-ins of the account end, including this one; a new one begins."""
    async with service.sign_in_limit.acquire() as slot:
        tokens = await slot.run(service.bureau.accounts.change_password, sign_in, form.password, form.new_password)
    return sign_in_response(
        request, service, tokens, cookie="authorization" not in request.headers and COOKIE in request.cookies
    )


def sign_in_response(request: Request, service: ServiceDependencies, tokens: SignInTokens, *, cookie: bool) -> Response:
    """A new sign-in, by cookie or in the body."""
    secrets = {"token": None if cookie else tokens.token, "csrf": tokens.csrf if cookie else None}
    response = JSONResponse(SignInResult(**_describe_account(tokens), **secrets).model_dump(mode="json"))
    if cookie:
        set_sign_in_cookies(response, request, service, tokens)
    return response


def _describe_account(sign_in: SignIn | SignInTokens) -> dict[str, Any]:
    account = sign_in.account
    return {
        "account": account.name,
        "shown_name": account.display_name,
        "department": account.department,
        "roles": sorted(account.roles),
        "must_change": account.must_change_password,
        "expires_at": sign_in.expires_at,
    }
