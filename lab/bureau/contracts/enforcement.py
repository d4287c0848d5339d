"""The one enforcement point: every operation of the exchange calls ``authorise`` in the transaction that serves it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import policy
from lab.bureau.contracts.policy import AccessRequest
from lab.bureau.contracts.repository import ContractVersion, find_version
from lab.terms.contract.document import Operation


def authorise(
    session: Session, contract_id: str, operation: Operation, request: AccessRequest, now: datetime
) -> ContractVersion:
    """Authorise an operation under the version in force, which is returned; raises if it is refused.

    Checks, in this order: the contract exists (``NotFound``); its state and term; both signatures, the bureau's under
    this bureau's key; that it names the operation; that the request is within its clauses and its ceilings for one
    request (all ``NotAllowed``, naming the clause). Both signatures are verified each time, so a row altered in the
    database allows nothing. A transaction that charges something locks the contract's row first, so that the state
    checked is the state at its commit.
    """
    version = find_version(session, contract_id)
    policy.check_state(version.contract, version.state, now)
    policy.check_signatures(version.signed, str(session.info.get("bureau_key", "")))
    policy.check_operation(version.contract, operation, request.detail)
    policy.check_request(version.contract, request)
    return version
