"""Authenticates the calling bank by its signature (RFC 9421): the contract's bank, or any registered bank.

The signature is checked before anything is looked up and before the body is read. Every key that the bureau accepts for
the bank is valid, also if another key signed the contract. A contract that does not exist, another bank's contract, an
unknown key and a revoked key give the same response, so that nobody learns which contracts or keys exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool

from lab.bureau.contracts.banks import BankKey
from lab.terms.contract.document import SignedContract
from lab.terms.errors import NotAuthentic
from lab.terms.names import CONTRACT_ID_PATTERN
from protocols.wire.http_signatures import ClocksDiffer, SignatureRejected, VerifiedRequest, verify_request
from sandbox.dependencies import ServiceDependencies, get_dependencies

ContractId = Annotated[
    str,
    Path(
        pattern=CONTRACT_ID_PATTERN,
        description="合同编号 / Contract id",
        examples=["trial-7f3a"],
    ),
]
_NEXT_STEP = "sign the request with the key of the bank that the contract names (RFC 9421)"
_CLOCK_STEP = (
    "校准本机时钟后重试 compare both clocks with another one, set the wrong one (`timedatectl` shows whether it is "
    "synchronised), and send the request again"
)
SIGNATURE_SECURITY: dict[str, Any] = {"security": [{"signature": []}]}
"""For OpenAPI: a route that needs a bank's signature but names no contract."""


@dataclass(frozen=True)
class ContractCaller:
    """The calling bank (its id) and the contract that it calls under, with the contract's present state."""

    contract: str
    bank: str
    signed: SignedContract
    state: str
    verified: VerifiedRequest


@dataclass(frozen=True)
class BankCaller:
    """The calling bank, independent of its contracts: id, name, and the key that signed the request."""

    bank: str
    name: str
    key: BankKey
    verified: VerifiedRequest


async def authenticate_contract_caller(
    request: Request, contract_id: ContractId, service: Annotated[ServiceDependencies, Depends(get_dependencies)]
) -> ContractCaller:
    """The caller under a contract; raises ``NotAuthentic``."""
    verified, now = await _require_signature(request, service)
    owner = await run_in_threadpool(service.bureau.banks.find_id_by_contract, contract_id)
    known = await run_in_threadpool(service.bureau.banks.find_by_key, verified.key)
    if known is None or owner is None or known[0].id != owner:
        raise _unknown_contract()
    if not known[1].is_accepted(now):
        await run_in_threadpool(service.bureau.banks.record_ended_key_use, owner, known[1], contract_id)
        raise _unknown_contract()
    signed, state = await run_in_threadpool(service.bureau.bank_contracts.find, contract_id)
    request.scope["state"]["contract"] = contract_id
    try:
        await run_in_threadpool(service.bureau.nonces.claim, verified.key, verified.nonce, now)
    except NotAuthentic as error:
        # A replay has the bank's own signature, so the contract's history records it. Other rejected requests are not
        # recorded: otherwise anybody could make the ledger grow.
        await run_in_threadpool(service.bureau.refusals.record, contract_id, "replay", error)
        raise
    return ContractCaller(contract_id, owner, signed, state, verified)


async def authenticate_bank_caller(
    request: Request, service: Annotated[ServiceDependencies, Depends(get_dependencies)]
) -> BankCaller:
    """The registered bank that calls; raises ``NotAuthentic``."""
    verified, now = await _require_signature(request, service)
    known = await run_in_threadpool(service.bureau.banks.find_by_key, verified.key)
    if known is None:
        raise _unknown_bank()
    bank, key = known
    if not key.is_accepted(now):
        await run_in_threadpool(service.bureau.banks.record_ended_key_use, bank.id, key)
        raise _unknown_bank()
    await run_in_threadpool(service.bureau.nonces.claim, verified.key, verified.nonce, now)
    return BankCaller(bank.id, bank.name, key, verified)


async def _require_signature(request: Request, service: ServiceDependencies) -> tuple[VerifiedRequest, datetime]:
    now = datetime.now(UTC)
    try:
        return await run_in_threadpool(_verify, request, service.bureau_key, now), now
    except ClocksDiffer as error:
        raise NotAuthentic(f"The request is not accepted: {error}.", next_step=_CLOCK_STEP) from None
    except SignatureRejected as error:
        raise NotAuthentic(f"The request is not accepted: {error}.", next_step=_NEXT_STEP) from None


def _verify(request: Request, bureau_key: str, now: datetime) -> VerifiedRequest:
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    target = (raw_path + b"?" + query if query else raw_path).decode("latin-1")
    return verify_request(request.method, target, request.headers.items(), bureau_key=bureau_key, now=now)


def _unknown_contract() -> NotAuthentic:
    return NotAuthentic(
        "The request is not accepted: its key is not that of a contract with this id.", next_step=_NEXT_STEP
    )


def _unknown_bank() -> NotAuthentic:
    return NotAuthentic(
        "The request is not accepted: its key is not that of a registered bank.",
        next_step="send the bureau this bank's card (`lab bank card`); after a change of keys, sign with the new one",
    )


CurrentContractCaller = Annotated[ContractCaller, Depends(authenticate_contract_caller)]
CurrentBankCaller = Annotated[BankCaller, Depends(authenticate_bank_caller)]
