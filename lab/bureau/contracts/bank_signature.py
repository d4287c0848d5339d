"""The bank's signature of a version: checked, and stored with its entry. An approved version is then in force."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import ContractRecord, ContractVersion, current_state
from lab.bureau.contracts.transitions import activate, record_change
from lab.bureau.contracts.workflow import FINAL_STATES, SIGNABLE_STATES, ContractState
from lab.bureau.store.tables import BankKeyRow
from lab.terms.contract.document import signing_input
from lab.terms.errors import Conflict
from lab.terms.keys.signature import verify_signature


def accept_bank_signature(
    session: Session, contract_id: str, signature: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Keep the bank's signature of a version (without one named: the newest that takes one).

    An approved version comes into force. The same signature again changes nothing. Raises ``NotFound``,
    ``NotAuthentic`` if it does not verify, and ``Conflict`` if the version takes no signature, has another one, or
    names a key of the bank that was revoked.
    """
    contract = ContractRecord(session, contract_id, lock=True)
    signable = [row for row in contract.versions if ContractState(row.state) in SIGNABLE_STATES]
    row = contract.find(version) if version is not None else (signable or contract.versions)[0]
    found = contract.read(row)
    _check_takes_signature(found, current_state(found, now))
    party = found.contract.bank
    message = signing_input(found.contract)
    verify_signature(party.public_key, signature, message, what=f"the bank's signature of {contract_id}")
    if row.bank_signature == signature:
        return found
    if row.bank_signature is not None:
        raise Conflict(
            f"Contract {contract_id} bears another signature of the bank.", next_step="nothing is left to do"
        )
    _check_bank_key(session, found)
    row.bank_signature, row.signed_at = signature, now
    session.flush()
    by = f"bank:{found.bank_id}"
    record_change(contract, "contract.signed", row, by, {"key": party.public_key})
    if ContractState(row.state) is not ContractState.APPROVED:
        return contract.read(row)
    return activate(contract, row, by, now)


def _check_bank_key(session: Session, version: ContractVersion) -> None:
    key = session.get(BankKeyRow, version.contract.bank.public_key)
    if key is None or key.bank_id != version.bank_id or key.state == "revoked":
        raise Conflict(
            f"Contract {version.contract.id} version {version.contract.version} names a key that is not the bank's "
            "any more.",
            next_step="ask the bureau for a new version that names the present key",
        )


def _check_takes_signature(version: ContractVersion, state: ContractState) -> None:
    if state in FINAL_STATES or state is ContractState.DRAFT:
        raise Conflict(
            f"Contract {version.contract.id} version {version.version} is {state.value}; it takes no signature.",
            next_step="ask the bureau to submit it"
            if state is ContractState.DRAFT
            else "ask the bureau for a new version",
        )
