"""Banks and their keys: a bank replaces its key; administrators add and revoke keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.contracts.banks import RegisteredBank
from lab.bureau.people import AccountHolder, Permission
from lab.terms.errors import NotAuthentic
from lab.terms.fields.bounded_types import Line, ReasonText
from lab.terms.keys.key_succession import SignedKeySuccession, parse_key_succession
from lab.terms.keys.party import Party
from lab.terms.names import HEX32_PATTERN
from lab.terms.text.visible_line import VisibleName
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, SIGNED_REQUEST_PROBLEMS, problem_responses
from sandbox.api.pages import PAGE_LIMIT, NextCursor, PageCursor, PageLimit, page_of, page_view
from sandbox.api.request_body import JSON_MEDIA, json_body, openapi_json_body, read_signed_body, require_empty_body
from sandbox.auth.bank import SIGNATURE_SECURITY, BankCaller, CurrentBankCaller
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies

router = APIRouter(prefix="/v1/banks", tags=["banks"])
BankReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_BANKS))]
BankKeyManager = Annotated[AccountHolder, Depends(require_permission(Permission.REVOKE_BANK_KEYS))]
PublicKeyPath = Annotated[
    str, Path(pattern=HEX32_PATTERN, description="公钥 / The key, 64 hexadecimal digits", examples=["22" * 32])
]
_KEY: dict[str, Any] = {
    "public_key": "22" * 32,
    "fingerprint": "5f2b-78d1-fc91-f45c-e4cd-47b0-5803-101e",
    "state": "active",
    "accepted": True,
    "successor": None,
    "added_at": "2026-01-01T08:00:00Z",
    "ended_at": None,
}
_BANK: dict[str, Any] = {
    "bank": "b-0123456789ab",
    "name": "示例银行",
    "registered_at": "2026-01-01T08:00:00Z",
    "keys": [_KEY],
}
_STATEMENT: dict[str, Any] = {
    "statement": {
        "schema": "shulab-succession/1",
        "bureau": "11" * 32,
        "bank": "b-0123456789ab",
        "old_key": "22" * 32,
        "new_key": "33" * 32,
        "time": "2026-06-01T08:00:00Z",
    },
    "old_signature": "44" * 64,
    "new_signature": "55" * 64,
}


class BankKeyView(BaseModel):
    """A bank's key. ``accepted``: whether the bureau accepts requests that are signed with it now."""

    public_key: str
    fingerprint: str
    state: str
    accepted: bool
    successor: str | None
    added_at: datetime
    ended_at: datetime | None


class BankView(BaseModel):
    """A bank and its keys, the oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BANK]})

    bank: str
    name: str
    registered_at: datetime
    keys: list[BankKeyView]


class BankList(BaseModel):
    """Banks, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"banks": [_BANK], "next": None}]})

    banks: list[BankView]
    next: NextCursor = None


class NewBankKeyForm(Party):
    """A bank's card with its new key, and the key's fingerprint, which the bank gave over another channel."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "示例银行",
                    "public_key": "33" * 32,
                    "fingerprint": "5995-85f5-58c7-db77-465d-b4e8-7d61-176c",
                }
            ]
        }
    )

    name: VisibleName
    stated_fingerprint: Annotated[Line, Field(alias="fingerprint", max_length=100)]


class KeyRevocationForm(BaseModel):
    """Why a key is revoked; the ledger keeps the reason."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "reported stolen"}]})

    reason: ReasonText


@router.get(
    "/self",
    operation_id="own_bank",
    summary="本行登记信息 / The calling bank's registration",
    response_model=BankView,
    responses=SIGNED_REQUEST_PROBLEMS,
    openapi_extra=SIGNATURE_SECURITY,
)
async def get_own_bank(request: Request, caller: CurrentBankCaller, service: Dependencies) -> Any:
    """The bank's id and keys. A bank can also see here whether its new key was accepted."""
    await require_empty_body(request, caller.verified, service.settings)
    return _view_bank(await run_in_threadpool(service.bureau.banks.find, caller.bank))


@router.post(
    "/keys",
    operation_id="succeed_key",
    summary="银行更换密钥 / Replace the bank's key",
    response_model=BankView,
    responses=SIGNED_REQUEST_PROBLEMS | problem_responses("conflict", "too-large", "unsupported-media"),
    openapi_extra=SIGNATURE_SECURITY
    | {
        "requestBody": {
            "required": True,
            "content": {JSON_MEDIA: {"schema": {"type": "object"}, "example": _STATEMENT}},
        }
    },
)
async def submit_key_succession(request: Request, caller: CurrentBankCaller, service: Dependencies) -> Any:
    """Both keys sign the statement; the old key signs the request.

    Sending the same statement again changes nothing. The old key is accepted for one more day.
    """
    body = await read_signed_body(
        request,
        caller.verified,
        cap=service.settings.document_bytes,
        idle=service.settings.body_idle_seconds,
        media=JSON_MEDIA,
    )
    signed = parse_key_succession(body)
    _check_signer(caller, signed)
    await run_in_threadpool(service.bureau.banks.replace_key, caller.bank, signed)
    return _view_bank(await run_in_threadpool(service.bureau.banks.find, caller.bank))


@router.get(
    "",
    operation_id="banks",
    summary="银行列表 / All banks and their keys",
    response_model=BankList,
    responses=SIGNED_IN_PROBLEMS,
)
async def list_banks(
    person: BankReader, service: Dependencies, cursor: PageCursor = None, limit: PageLimit = PAGE_LIMIT
) -> Any:
    """For officers, stewards, auditors and administrators."""
    found = await run_in_threadpool(service.bureau.banks.list_banks, after=cursor, limit=limit + 1)
    page, following = page_of(found, limit, lambda one: one.id)
    return page_view("banks", [_view_bank(bank) for bank in page], following)


@router.post(
    "/keys/added",
    operation_id="add_bank_key",
    summary="为丢失密钥的银行登记新密钥 / Add a key for a bank that lost its own",
    response_model=BankView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "conflict", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(NewBankKeyForm),
)
async def add_bank_key(
    person: BankKeyManager, service: Dependencies, form: Annotated[NewBankKeyForm, Depends(json_body(NewBankKeyForm))]
) -> Any:
    """The ledger names who added it. Older keys stay valid until they are revoked."""
    party = Party(name=form.name, public_key=form.public_key)
    return _view_bank(
        await run_in_threadpool(service.bureau.banks.add_key, party, by=person, fingerprint=form.stated_fingerprint)
    )


@router.post(
    "/keys/{key}/revocation",
    operation_id="revoke_bank_key",
    summary="吊销银行密钥 / Revoke a bank's key",
    response_model=BankView,
    responses=SIGNED_IN_PROBLEMS | problem_responses("not-found", "too-large", "unsupported-media"),
    openapi_extra=openapi_json_body(KeyRevocationForm),
)
async def revoke_bank_key(
    person: BankKeyManager,
    service: Dependencies,
    key: PublicKeyPath,
    form: Annotated[KeyRevocationForm, Depends(json_body(KeyRevocationForm))],
) -> Any:
    """Effective at once, without the extra day of a replaced key. Contracts signed with it stay signed."""
    return _view_bank(await run_in_threadpool(service.bureau.banks.revoke_key, key, form.reason, by=person))


def _check_signer(caller: BankCaller, signed: SignedKeySuccession) -> None:
    if caller.key.public_key != signed.statement.old_key:
        raise NotAuthentic(
            "Expected a request signed with the key that is to be succeeded; found another key of the bank.",
            next_step="run `lab bank rotate-key` again",
        )


def _view_bank(bank: RegisteredBank) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "bank": bank.id,
        "name": bank.name,
        "registered_at": bank.registered_at,
        "keys": [
            {
                "public_key": key.public_key,
                "fingerprint": Party(name=bank.name, public_key=key.public_key).fingerprint,
                "state": key.state.value,
                "accepted": key.is_accepted(now),
                "successor": key.successor,
                "added_at": key.added_at,
                "ended_at": key.ended_at,
            }
            for key in bank.keys
        ],
    }
