"""What the terms of a contract allow. ``check_x`` raises ``Refused`` naming the term; ``may_x`` answers yes or no.

Pure: no storage, no clock, no counting. Whether a ceiling has been reached over time is counted in
``lab.bureau.exchange.charges``; here a single request is held against the terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.bureau.contracts.workflow import State
from lab.terms.contract import Contract, Operation, SignedContract
from lab.terms.errors import NotAuthentic, Refused


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants, as far as it is known when it is let through; None is "does not apply"."""

    identifiers: int | None = None
    """Identifiers to be evaluated in one match."""
    announced: int | None = None
    """Identifiers announced for a match to come."""
    rows: int | None = None
    """Enterprises to be scored in one batch."""


def check_state(contract: Contract, state: State, now: datetime) -> None:
    """The contract is approved and ``now`` lies within its term."""
    if state is State.REVOKED:
        raise Refused(f"Contract {contract.id} was revoked.", next_step="ask the bureau for a new contract")
    if state is State.EXPIRED or now >= contract.expires:
        raise Refused(
            f"Contract {contract.id} expired on {contract.expires:%Y-%m-%d %H:%M} UTC (term: expires).",
            next_step="ask the bureau for a new contract",
        )
    if state is not State.APPROVED:
        raise Refused(
            f"Contract {contract.id} is {state.value}; it must be approved.",
            next_step=f"have an officer run `lab officer approve {contract.id}`",
        )
    if now < contract.starts:
        raise Refused(
            f"Contract {contract.id} starts on {contract.starts:%Y-%m-%d %H:%M} UTC (term: starts).",
            next_step="wait until it starts",
        )


def check_signatures(signed: SignedContract) -> None:
    """Both signatures are there and verify; raises ``Refused`` so that the caller need not tell two families apart."""
    try:
        signed.verify()
    except NotAuthentic as error:
        raise Refused(error.detail, next_step=error.next_step) from None


def check_operation(contract: Contract, operation: Operation) -> None:
    """The contract names the operation."""
    if operation not in contract.operations:
        allowed = ", ".join(contract.operations)
        raise Refused(
            f"Contract {contract.id} allows {allowed}, not {operation.value} (term: operations).",
            next_step="ask the bureau for a contract that names the operation",
        )


def check_ask(contract: Contract, ask: Ask) -> None:
    """A single request stays within the ceilings for one request."""
    ceilings = contract.ceilings
    for found, ceiling, term in (
        (ask.identifiers, ceilings.identifiers_per_match, "identifiers_per_match"),
        (ask.announced, ceilings.identifiers_per_match, "identifiers_per_match"),
        (ask.rows, ceilings.rows_per_batch, "rows_per_batch"),
    ):
        if found is None:
            continue
        if found > ceiling:
            raise Refused(
                f"Contract {contract.id} allows {ceiling} in one request (term: {term}); found {found}.",
                next_step="send smaller requests",
            )
        if found < 1:
            raise Refused(f"A request needs at least 1 (term: {term}); found {found}.", next_step="send at least one")


def may(check: Callable[..., None], *args: object) -> bool:
    """Whether ``check`` lets through: the answer instead of the error."""
    try:
        check(*args)
    except Refused:
        return False
    return True


def may_use(signed: SignedContract, state: State, operation: Operation, now: datetime) -> bool:
    """Whether ``operation`` is allowed now, counting aside."""
    contract = signed.contract
    return (
        may(check_state, contract, state, now)
        and may(check_signatures, signed)
        and may(check_operation, contract, operation)
    )
