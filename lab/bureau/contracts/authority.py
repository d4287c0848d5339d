"""The one enforcement point: every operation of the exchange passes ``authorise`` in the transaction that serves it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import policy
from lab.bureau.contracts.cabinet import find
from lab.bureau.contracts.policy import Ask
from lab.terms.contract import Operation, SignedContract


def authorise(session: Session, contract_id: str, operation: Operation, ask: Ask, now: datetime) -> SignedContract:
    """Let an operation through, or raise.

    Checks, in this order: the contract exists (``NotFound``); its state and term; both signatures; that it names the
    operation; that this request keeps within the ceilings for one request (all ``Refused``, naming the term). Both
    signatures are verified each time, so a row altered in the database lets nothing through.
    """
    held = find(session, contract_id)
    policy.check_state(held.contract, held.state, now)
    policy.check_signatures(held.signed)
    policy.check_operation(held.contract, operation)
    policy.check_ask(held.contract, ask)
    return held.signed
