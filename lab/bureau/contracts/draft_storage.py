"""Storing a draft: a new contract, or the next version of one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import ContractRecord, ContractVersion
from lab.bureau.contracts.transitions import Transition, apply_transition, record_change
from lab.bureau.contracts.workflow import SIGNABLE_STATES, ContractState
from lab.bureau.ledger import Fact
from lab.bureau.people.permissions import AccountHolder
from lab.bureau.store.tables import ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict


def insert_draft(
    session: Session, contract: Contract, *, bank_id: str, officers_needed: int, author: AccountHolder, now: datetime
) -> ContractVersion:
    """Store a new contract, or the next version of one, as a draft; a draft that it replaces is retired.

    Raises ``Conflict`` if the id is taken, the version is not the next one, another version is still in progress, or
    the bank is another; ``InvalidInput`` if a text of the contract hides something.
    """
    contract.check_free_texts()
    if contract.version == 1:
        if session.get(ContractRow, contract.id) is not None:
            raise Conflict(f"A contract {contract.id} exists already.", next_step="amend it, or draft under another id")
        session.add(ContractRow(id=contract.id, bank_id=bank_id, in_force=None, created_at=now))
        session.flush()
    else:
        _replace_draft(ContractRecord(session, contract.id, lock=True), contract, bank_id, author.actor, now)
    row = ContractVersionRow(
        contract_id=contract.id,
        version=contract.version,
        document=contract.canonical_bytes().decode(),
        sha256=contract.sha256,
        state=ContractState.DRAFT.value,
        officers_needed=officers_needed,
        drafted_by=author.name,
        drafted_at=now,
    )
    session.add(row)
    session.flush()
    stored = ContractRecord(session, contract.id)
    facts: dict[str, Fact] = {"purpose": contract.purpose.value, "bank": bank_id, "officers_needed": officers_needed}
    record_change(stored, "contract.drafted", row, author.actor, facts)
    return stored.read(row)


def _replace_draft(stored: ContractRecord, contract: Contract, bank_id: str, by: str, now: datetime) -> None:
    """Check that the version may follow those stored, and retire a draft that it replaces."""
    last = stored.versions[0]
    state = ContractState(last.state)
    if stored.contract.bank_id != bank_id:
        raise Conflict(
            f"Contract {contract.id} is with another bank; an amendment keeps the parties.",
            next_step="draft a new contract",
        )
    if contract.version != last.version + 1:
        raise Conflict(
            f"The next version of contract {contract.id} is {last.version + 1}; found {contract.version}.",
            next_step="amend the newest version",
        )
    if state is ContractState.DRAFT:
        apply_transition(stored, last, Transition("retire", by, now, f"replaced by version {contract.version}"))
    elif state in SIGNABLE_STATES:
        raise Conflict(
            f"Version {last.version} of contract {contract.id} is {state.value}; one version is on its way at a time.",
            next_step="return it, reject it or revoke it first",
        )
