"""Who calls: the bank that the contract in the path names, by its signature on the request (RFC 9421).

The signature is checked before anything is looked up and before a body is read. A contract that does not exist and one
that names another key give the same answer, so that nobody learns which contracts exist.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.concurrency import run_in_threadpool

from lab.terms.contract import SignedContract
from lab.terms.errors import NotAuthentic, NotFound
from protocols.wire.signature import SignatureRejected, VerifiedRequest, verify_request
from sandbox.parts import Parts, parts_of

ContractId = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9-]{3,63}$",
        description="合同编号 / Contract id",
        examples=["trial-7f3a"],
    ),
]
_NEXT = "sign the request with the key of the bank that the contract names (RFC 9421)"


@dataclass(frozen=True)
class Caller:
    """The bank that calls, under which contract, as the contract stands at the bureau."""

    contract: str
    signed: SignedContract
    state: str
    verified: VerifiedRequest


async def authentic(request: Request, contract_id: ContractId, parts: Annotated[Parts, Depends(parts_of)]) -> Caller:
    """The caller; raises ``NotAuthentic``."""
    now = datetime.now(UTC)
    try:
        verified = await run_in_threadpool(_verify, request, parts.bureau_key, now)
    except SignatureRejected as error:
        raise NotAuthentic(f"The request is not accepted: {error}.", next_step=_NEXT) from None
    try:
        signed, state = await run_in_threadpool(parts.bureau.signed_contract, contract_id)
    except NotFound:
        raise _stranger() from None
    if not hmac.compare_digest(signed.contract.bank.public_key, verified.key):
        raise _stranger()
    request.scope["state"]["contract"] = contract_id
    try:
        await run_in_threadpool(parts.bureau.note_nonce, verified.key, verified.nonce, now)
    except NotAuthentic as error:
        # A replay bears the bank's own signature, so it is of the contract's history; other strangers are not, or
        # anybody could make the ledger grow.
        await run_in_threadpool(parts.bureau.record_refusal, contract_id, "replay", error)
        raise
    return Caller(contract_id, signed, state, verified)


def _verify(request: Request, bureau_key: str, now: datetime) -> VerifiedRequest:
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    target = (raw_path + b"?" + query if query else raw_path).decode("latin-1")
    return verify_request(request.method, target, request.headers.items(), bureau_key=bureau_key, now=now)


def _stranger() -> NotAuthentic:
    return NotAuthentic("The request is not accepted: its key is not that of a contract by this id.", next_step=_NEXT)


Authentic = Annotated[Caller, Depends(authentic)]
PartsOf = Annotated[Parts, Depends(parts_of)]
