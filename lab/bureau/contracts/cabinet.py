"""Keeping contracts: finding them, and every change of one, each with its ledger entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.contracts.workflow import Action, State, advance
from lab.bureau.ledger import record
from lab.bureau.store.tables import ContractRow
from lab.terms.contract import Contract, SignedContract, parse_contract, signing_input, verify_signature
from lab.terms.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Held:
    """A contract as the bureau holds it."""

    signed: SignedContract
    state: State
    drafted_at: datetime

    @property
    def contract(self) -> Contract:
        """The document."""
        return self.signed.contract


def file_draft(session: Session, contract: Contract, now: datetime) -> None:
    """Keep a new contract as a draft; raises ``Conflict`` if its id is taken."""
    if session.get(ContractRow, contract.id) is not None:
        raise Conflict(f"A contract {contract.id} exists already.", next_step="draft again; ids are drawn at random")
    session.add(
        ContractRow(
            id=contract.id,
            version=contract.version,
            document=contract.canonical().decode(),
            sha256=contract.sha256,
            bank_key=contract.bank.public_key,
            state=State.DRAFT.value,
            drafted_at=now,
        )
    )
    session.flush()
    record(
        session,
        "contract.drafted",
        contract.id,
        {"sha256": contract.sha256, "bank_key": contract.bank.public_key, "purpose": contract.purpose.value},
    )


def find(session: Session, contract_id: str) -> Held:
    """The contract of that id; raises ``NotFound``."""
    return _held(_row(session, contract_id))


def standing(held: Held, now: datetime) -> State:
    """The state as it is at ``now``: a term that is over is expired, also before anybody recorded it."""
    if held.state in (State.DRAFT, State.APPROVED) and now >= held.contract.expires:
        return State.EXPIRED
    return held.state


def list_held(session: Session) -> list[Held]:
    """All contracts, newest first."""
    return [_held(row) for row in session.scalars(select(ContractRow).order_by(ContractRow.drafted_at.desc()))]


def accept_bank_signature(session: Session, contract_id: str, signature: str, now: datetime) -> None:
    """Keep the bank's signature; the same signature again changes nothing.

    Raises ``NotAuthentic`` if it does not verify, ``Conflict`` if the contract has ended or is signed otherwise.
    """
    row = _row(session, contract_id, lock=True)
    held = _held(row)
    if held.state in (State.REVOKED, State.EXPIRED) or now >= held.contract.expires:
        state = held.state if held.state is State.REVOKED else State.EXPIRED
        raise Conflict(
            f"Contract {contract_id} is {state.value}; it takes no signature.", next_step="ask for a new contract"
        )
    party = held.contract.bank
    verify_signature(
        party.public_key, signature, signing_input(held.contract), what=f"the bank's signature of {contract_id}"
    )
    if row.bank_signature == signature:
        return
    if row.bank_signature is not None:
        raise Conflict(
            f"Contract {contract_id} bears another signature of the bank.", next_step="nothing is left to do"
        )
    row.bank_signature, row.signed_at = signature, now
    session.flush()
    record(session, "contract.signed", contract_id, {"sha256": row.sha256, "by": "bank"})


def approve(session: Session, contract_id: str, sign: Callable[[bytes], bytes], now: datetime) -> Held:
    """An officer approves: the bureau signs. ``sign`` is the bureau's Ed25519 key at work.

    Raises ``Conflict`` unless the contract is a draft within its term.
    """
    row = _row(session, contract_id, lock=True)
    contract = _held(row).contract
    if now >= contract.expires:
        raise Conflict(f"The term of contract {contract_id} is over.", next_step="draft a new contract")
    _move(row, Action.APPROVE)
    row.bureau_signature, row.approved_at = sign(signing_input(contract)).hex(), now
    held = _held(row)
    held.signed.verify(require=("bureau",))
    session.flush()
    record(session, "contract.approved", contract_id, {"sha256": row.sha256, "by": "bureau"})
    return held


def revoke(session: Session, contract_id: str, reason: str, now: datetime) -> None:
    """An officer ends the contract before its term; raises ``Conflict`` if it has ended already."""
    row = _row(session, contract_id, lock=True)
    _move(row, Action.REVOKE)
    row.ended_at = now
    session.flush()
    record(session, "contract.revoked", contract_id, {"sha256": row.sha256, "reason": reason})


def note_expiry(session: Session, contract_id: str, now: datetime) -> bool:
    """Record that the term is over, if it is and nobody has yet; tells whether it did."""
    row = _row(session, contract_id, lock=True)
    state = State(row.state)
    if state in (State.EXPIRED, State.REVOKED) or now < _held(row).contract.expires:
        return False
    _move(row, Action.EXPIRE)
    row.ended_at = now
    session.flush()
    record(session, "contract.expired", contract_id, {"sha256": row.sha256})
    return True


def _move(row: ContractRow, action: Action) -> None:
    row.state = advance(row.id, State(row.state), action).value


def _row(session: Session, contract_id: str, *, lock: bool = False) -> ContractRow:
    row = session.get(ContractRow, contract_id, with_for_update=lock)
    if row is None:
        raise NotFound(f"No contract {contract_id} is held here.", next_step="list contracts with `lab officer list`")
    return row


def _held(row: ContractRow) -> Held:
    signed = {
        "contract": json.loads(row.document),
        "bureau_signature": row.bureau_signature,
        "bank_signature": row.bank_signature,
    }
    return Held(parse_contract(json.dumps(signed)), State(row.state), row.drafted_at)
