"""Accounts, for administrators: who may sign in, with which roles. One-time passwords are shown once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.people import Account, AccountHolder, NewAccount, Permission, parse_roles, parse_subject
from lab.terms.fields.bounded_types import AccountName, Line
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.pages import PAGE_LIMIT, NextCursor, PageCursor, PageLimit, page_of, page_view
from sandbox.api.request_body import json_body, openapi_json_body
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
AccountReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_ACCOUNTS))]
AccountManager = Annotated[AccountHolder, Depends(require_permission(Permission.MANAGE_ACCOUNTS))]
AccountNamePath = Annotated[AccountName, Path(description="账户 / The account's name", examples=["li.wei"])]
RoleNames = Annotated[list[Annotated[Line, Field(max_length=32)]], Field(min_length=1, max_length=10)]
_ACCOUNT: dict[str, Any] = {
    "name": "li.wei",
    "shown_name": "李伟",
    "department": "credit",
    "roles": ["officer"],
    "state": "active",
    "must_change": False,
    "failures": 0,
    "locked_until": None,
    "issuer": None,
    "subject": None,
    "created_at": "2026-01-01T08:00:00Z",
}


class AccountView(BaseModel):
    """An account, without its password in any form."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCOUNT]})

    name: str
    shown_name: str
    department: str
    roles: list[str]
    state: str
    must_change: bool
    failures: int
    locked_until: datetime | None
    issuer: str | None
    subject: str | None
    created_at: datetime


class AccountList(BaseModel):
    """Accounts, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accounts": [_ACCOUNT], "next": None}]})

    accounts: list[AccountView]
    next: NextCursor = None


class NewAccountForm(BaseModel):
    """A new account. With ``issuer`` and ``subject`` the person signs in at the OpenID provider and has no password."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "li.wei", "department": "credit", "roles": ["officer"]}]},
    )

    name: AccountName
    department: Annotated[Line, Field(max_length=100)]
    roles: RoleNames
    shown_name: Annotated[Line, Field(max_length=200)] = ""
    issuer: Annotated[Line, Field(max_length=500)] | None = None
    subject: Annotated[Line, Field(max_length=255)] | None = None


class RolesForm(BaseModel):
    """The roles that replace the present ones."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"roles": ["steward"]}]})

    roles: RoleNames


class OneTimePasswordView(BaseModel):
    """A one-time password, shown once; null for a person who signs in at the provider."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account": "li.wei", "password": "7kq2m-x9c4t-hh3vd-2pazr"}]}
    )

    account: str
    password: str | None


@router.get(
    "",
    operation_id="accounts",
    summary="账户列表 / All accounts",
    response_model=AccountList,
    responses=SIGNED_IN_PROBLEMS,
)
async def list_accounts(
    person: AccountReader, service: Dependencies, cursor: PageCursor = None, limit: PageLimit = PAGE_LIMIT
) -> Any:
    """For administrators and auditors."""
    found = await run_in_threadpool(service.bureau.accounts.list_accounts, after=cursor or "", limit=limit + 1)
    page, following = page_of(found, limit, lambda one: one.name)
    return page_view("accounts", [_view_account(account) for account in page], following)


@router.post(
    "",
    operation_id="add_account",
    summary="新增账户 / Add an account",
    response_model=OneTimePasswordView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("busy", "conflict", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(NewAccountForm),
)
async def add_account(
    person: AccountManager, service: Dependencies, form: Annotated[NewAccountForm, Depends(json_body(NewAccountForm))]
) -> Any:
    """The password must be changed at the first sign-in."""
    subject = parse_subject(form.issuer, form.subject)
    new = NewAccount(form.name, form.department, parse_roles(form.roles), form.shown_name, subject)
    async with service.sign_in_limit.acquire() as slot:
        password = await slot.run(service.bureau.accounts.add, new, by=person.actor)
    return {"account": form.name, "password": password}


@router.put(
    "/{name}/roles",
    operation_id="set_roles",
    summary="更改角色 / Change an account's roles",
    response_model=AccountView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(RolesForm),
)
async def set_roles(
    person: AccountManager,
    service: Dependencies,
    name: AccountNamePath,
    form: Annotated[RolesForm, Depends(json_body(RolesForm))],
) -> Any:
    """Valid from the account's next request."""
    roles = parse_roles(form.roles)
    return _view_account(await run_in_threadpool(service.bureau.accounts.set_roles, name, roles, by=person.actor))


@router.post(
    "/{name}/disable",
    operation_id="disable_account",
    summary="停用账户 / Disable an account",
    response_model=AccountView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict"),
)
async def disable_account(person: AccountManager, service: Dependencies, name: AccountNamePath) -> Any:
    """Its sign-ins end at once."""
    return _view_account(await run_in_threadpool(service.bureau.accounts.disable, name, by=person.actor))


@router.post(
    "/{name}/enable",
    operation_id="enable_account",
    summary="启用账户 / Enable an account",
    response_model=AccountView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict"),
)
async def enable_account(person: AccountManager, service: Dependencies, name: AccountNamePath) -> Any:
    """The account keeps its password."""
    return _view_account(await run_in_threadpool(service.bureau.accounts.enable, name, by=person.actor))


@router.post(
    "/{name}/unlock",
    operation_id="unlock_account",
    summary="解锁账户 / Unlock an account",
    response_model=AccountView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found"),
)
async def unlock_account(person: AccountManager, service: Dependencies, name: AccountNamePath) -> Any:
    """Its failed sign-ins are no longer counted."""
    return _view_account(await run_in_threadpool(service.bureau.accounts.unlock, name, by=person.actor))


@router.post(
    "/{name}/reset",
    operation_id="reset_account",
    summary="重置口令 / Reset an account's password",
    response_model=OneTimePasswordView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("busy", "not-found", "conflict"),
)
async def reset_account(person: AccountManager, service: Dependencies, name: AccountNamePath) -> Any:
    """Its sign-ins end, and it gets a one-time password."""
    async with service.sign_in_limit.acquire() as slot:
        password = await slot.run(service.bureau.accounts.reset_password, name, by=person.actor)
    return {"account": name, "password": password}


def _view_account(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "shown_name": account.display_name,
        "department": account.department,
        "roles": sorted(account.roles),
        "state": account.state,
        "must_change": account.must_change_password,
        "failures": account.failures,
        "locked_until": account.locked_until,
        "issuer": account.oidc_subject.issuer if account.oidc_subject else None,
        "subject": account.oidc_subject.subject if account.oidc_subject else None,
        "created_at": account.created_at,
    }
