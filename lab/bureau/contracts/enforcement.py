"""The one enforcement point: every operation of the exchange passes ``authorise`` in the transaction that serves it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import policy
from lab.bureau.contracts.policy import AccessRequest
from lab.bureau.contracts.repository import ContractVersion, find_version
from lab.terms.contract.document import Operation


def authorise(
    session: Session, contract_id: str, operation: Operation, ask: AccessRequest, now: datetime
) -> ContractVersion:
    """Let an operation through under the version in force, or raise.

    Checks, in this order: the contract exists (``NotFound``); its state and term; both signatures, the bureau's under
    the key of this very bureau; that it names the operation; that what is asked keeps within its terms and its
    ceilings for one request (all ``NotAllowed``, naming the term). Both signatures are verified each time, so a row
    altered in the database lets nothing through. A transaction that charges something holds the contract's row
    locked before it comes here, so that the state found is the state when it commits.
    """
    held = find_version(session, contract_id)
    policy.check_state(held.contract, held.state, now)
    policy.check_signatures(held.signed, str(session.info.get("bureau_key", "")))
    policy.check_operation(held.contract, operation, ask.detail)
    policy.check_request(held.contract, ask)
    return held
