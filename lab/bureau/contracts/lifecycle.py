"""Keeping contracts: every change of a version, each in the caller's transaction and with its ledger entry.

Each change takes the contract's row first and the ledger last, so that changes of one contract stand in a line. Without
a version named, a step concerns the newest version whose state has that step. Whether the person may take it at all is
``lab.bureau.people``'s to say; four eyes are held here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from lab.bureau.contracts.approvals import check_approver, check_not_author
from lab.bureau.contracts.repository import (
    Approval,
    Held,
    contract_row,
    find,
    held,
    list_held,
    newest,
    standing,
    version_rows,
    versions,
)
from lab.bureau.contracts.transitions import IN_FORCE, activate, check_term, choose, find_row, record_change, step
from lab.bureau.contracts.workflow import FINAL, SIGNABLE, TRANSITIONS, Action, State, advance
from lab.bureau.ledger import Fact
from lab.bureau.people.permissions import Person
from lab.bureau.store.tables import ApprovalRow, BankKeyRow, ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract, signing_input
from lab.terms.errors import Conflict
from lab.terms.keys.signature import verify_signature

__all__ = [
    "Approval",
    "Held",
    "accept_bank_signature",
    "approve",
    "file_draft",
    "find",
    "give_back",
    "list_held",
    "newest",
    "note_expiry",
    "reject",
    "resume",
    "retire",
    "review",
    "revoke",
    "standing",
    "submit",
    "suspend",
    "versions",
]


def file_draft(
    session: Session, contract: Contract, *, bank_id: str, officers_needed: int, author: Person, now: datetime
) -> Held:
    """Keep a new contract, or the next version of one, as a draft.

    A draft that it replaces is retired. Raises ``Conflict`` if the id is taken, the version is not the next one,
    another version is still on its way, or the bank is another; ``InvalidInput`` if a text of it hides something.
    """
    by = author.by
    contract.check_texts()
    if contract.version == 1:
        if session.get(ContractRow, contract.id) is not None:
            raise Conflict(f"A contract {contract.id} exists already.", next_step="amend it, or draft under another id")
        row = ContractRow(id=contract.id, bank_id=bank_id, in_force=None, created_at=now)
        session.add(row)
        session.flush()
    else:
        row = contract_row(session, contract.id, lock=True)
        _make_way(session, row, contract, bank_id, by, now)
    version = ContractVersionRow(
        contract_id=contract.id,
        version=contract.version,
        document=contract.canonical().decode(),
        sha256=contract.sha256,
        state=State.DRAFT.value,
        officers_needed=officers_needed,
        drafted_by=author.name,
        drafted_at=now,
    )
    session.add(version)
    session.flush()
    facts: dict[str, Fact] = {"purpose": contract.purpose.value, "bank": bank_id, "officers_needed": officers_needed}
    record_change(session, "contract.drafted", version, by, facts)
    return held(session, row, version)


def submit(session: Session, contract_id: str, officer: Person, now: datetime, version: int | None = None) -> Held:
    """Hand a draft in; the bank may sign it from here on."""
    contract, row = choose(session, contract_id, Action.SUBMIT, version)
    return step(session, contract, row, Action.SUBMIT, officer.by, now)


def give_back(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """Return a version to its author as a draft; approvals so far are void."""
    contract, row = choose(session, contract_id, Action.RETURN, version)
    session.execute(
        delete(ApprovalRow).where(ApprovalRow.contract_id == contract_id, ApprovalRow.version == row.version)
    )
    row.reviewer = None
    return step(session, contract, row, Action.RETURN, officer.by, now, reason)


def review(session: Session, contract_id: str, officer: Person, now: datetime, version: int | None = None) -> Held:
    """Take a version into review; raises ``Refused`` for its author."""
    contract, row = choose(session, contract_id, Action.REVIEW, version)
    check_not_author(held(session, contract, row), officer, "review")
    row.reviewer = officer.name
    return step(session, contract, row, Action.REVIEW, officer.by, now)


def approve(
    session: Session,
    contract_id: str,
    officer: Person,
    sign: Callable[[bytes], bytes],
    now: datetime,
    version: int | None = None,
) -> Held:
    """Record an officer's approval. The last one needed lets the bureau sign, and a version the bank has signed
    already comes into force.

    ``sign`` is the bureau's Ed25519 key at work. Raises ``Refused`` for the author, for an officer who approved
    before and, where two are needed, for a second one of the same department; ``Conflict`` unless it is under review.
    """
    contract, row = choose(session, contract_id, Action.APPROVE, version)
    advance(contract_id, State(row.state), Action.APPROVE)
    document = held(session, contract, row)
    check_term(document.contract, now)
    check_approver(document, officer)
    session.add(
        ApprovalRow(
            contract_id=contract_id,
            version=row.version,
            account=officer.name,
            department=officer.department,
            approved_at=now,
        )
    )
    session.flush()
    given = len(document.approvals) + 1
    facts: dict[str, Fact] = {
        "account": officer.name,
        "department": officer.department,
        "approval": given,
        "officers_needed": row.officers_needed,
    }
    record_change(session, "contract.approval", row, officer.by, facts)
    if given < row.officers_needed:
        return held(session, contract, row)
    row.bureau_signature, row.approved_at = sign(signing_input(document.contract)).hex(), now
    held(session, contract, row).signed.verify(require=("bureau",))
    approved = step(session, contract, row, Action.APPROVE, officer.by, now)
    if row.bank_signature is None:
        return approved
    return activate(session, contract, row, officer.by, now)


def reject(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """Turn a version down in review; raises ``Refused`` for its author."""
    contract, row = choose(session, contract_id, Action.REJECT, version)
    check_not_author(held(session, contract, row), officer, "reject")
    return step(session, contract, row, Action.REJECT, officer.by, now, reason)


def accept_bank_signature(
    session: Session, contract_id: str, signature: str, now: datetime, by: str, version: int | None = None
) -> Held:
    """Keep the bank's signature of a version (without one named: the newest that takes it); an approved version
    comes into force. The same signature again changes nothing.

    Raises ``NotAuthentic`` if it does not verify, ``Conflict`` if the version takes none, bears another one, or names
    a key of the bank that was revoked.
    """
    contract = contract_row(session, contract_id, lock=True)
    rows = version_rows(session, contract_id)
    signable = [row for row in rows if State(row.state) in SIGNABLE]
    row = find_row(rows, version) if version is not None else (signable or rows)[0]
    document = held(session, contract, row)
    state = standing(document, now)
    if state in FINAL or state is State.DRAFT:
        raise Conflict(
            f"Contract {contract_id} version {row.version} is {state.value}; it takes no signature.",
            next_step="ask the bureau to submit it" if state is State.DRAFT else "ask the bureau for a new version",
        )
    party = document.contract.bank
    message = signing_input(document.contract)
    verify_signature(party.public_key, signature, message, what=f"the bank's signature of {contract_id}")
    if row.bank_signature == signature:
        return document
    if row.bank_signature is not None:
        raise Conflict(
            f"Contract {contract_id} bears another signature of the bank.", next_step="nothing is left to do"
        )
    key = session.get(BankKeyRow, party.public_key)
    if key is None or key.bank_id != contract.bank_id or key.state == "revoked":
        raise Conflict(
            f"Contract {contract_id} version {row.version} names a key that is not the bank's any more.",
            next_step="ask the bureau for a new version that names the present key",
        )
    row.bank_signature, row.signed_at = signature, now
    session.flush()
    record_change(session, "contract.signed", row, by, {"key": party.public_key})
    if State(row.state) is not State.APPROVED:
        return held(session, contract, row)
    return activate(session, contract, row, by, now)


def suspend(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """Stop everything under the version in force until it is resumed."""
    contract, row = choose(session, contract_id, Action.SUSPEND, version)
    return step(session, contract, row, Action.SUSPEND, officer.by, now, reason)


def resume(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """Let a suspended version go on; a later one that both have signed meanwhile comes into force at once."""
    contract, row = choose(session, contract_id, Action.RESUME, version)
    resumed = step(session, contract, row, Action.RESUME, officer.by, now, reason)
    for waiting in version_rows(session, contract_id):
        if State(waiting.state) is State.APPROVED and waiting.bank_signature is not None:
            return activate(session, contract, waiting, officer.by, now)
    return resumed


def revoke(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """End a contract before its term; without a version, an approved one that waits for the bank ends with it."""
    contract, row = choose(session, contract_id, Action.REVOKE, version)
    if version is None:
        for other in version_rows(session, contract_id):
            if other is not row and (State(other.state), Action.REVOKE) in TRANSITIONS:
                step(session, contract, other, Action.REVOKE, officer.by, now, reason)
    step(session, contract, row, Action.REVOKE, officer.by, now, reason)
    return find(session, contract_id, version)


def retire(
    session: Session, contract_id: str, officer: Person, reason: str, now: datetime, version: int | None = None
) -> Held:
    """Give up a draft, or the version in force; raises ``Conflict`` while an approved one waits to replace that."""
    contract, row = choose(session, contract_id, Action.RETIRE, version)
    waiting = [one.version for one in version_rows(session, contract_id) if State(one.state) is State.APPROVED]
    if State(row.state) in IN_FORCE and waiting:
        # Otherwise the bank could bring the contract back by signing, after officers had given it up.
        raise Conflict(
            f"Version {waiting[0]} of contract {contract_id} is approved and waits for the bank.",
            next_step="have it signed, or revoke the contract",
        )
    return step(session, contract, row, Action.RETIRE, officer.by, now, reason)


def note_expiry(session: Session, contract_id: str, now: datetime) -> bool:
    """Record that terms are over, where they are and nobody has yet; tells whether one was of the version in force.

    Its caller stops the contract's jobs if it was.
    """
    contract = contract_row(session, contract_id, lock=True)
    ended = False
    for row in version_rows(session, contract_id):
        document, state = held(session, contract, row), State(row.state)
        if state in FINAL or now < document.contract.expires:
            continue
        step(session, contract, row, Action.EXPIRE, "bureau", now)
        ended = ended or state in IN_FORCE
        if state is State.SUSPENDED:
            # A suspension is lifted by an officer, not by a bank that waits and then signs a later version.
            for other in version_rows(session, contract_id):
                if State(other.state) is State.APPROVED:
                    reason = "the version in force was suspended when its term ended"
                    step(session, contract, other, Action.REVOKE, "bureau", now, reason)
    return ended


def _make_way(session: Session, row: ContractRow, contract: Contract, bank_id: str, by: str, now: datetime) -> None:
    last = version_rows(session, contract.id)[0]
    state = State(last.state)
    if row.bank_id != bank_id:
        raise Conflict(
            f"Contract {contract.id} is with another bank; an amendment keeps the parties.",
            next_step="draft a new contract",
        )
    if contract.version != last.version + 1:
        raise Conflict(
            f"The next version of contract {contract.id} is {last.version + 1}; found {contract.version}.",
            next_step="amend the newest version",
        )
    if state is State.DRAFT:
        step(session, row, last, Action.RETIRE, by, now, f"replaced by version {contract.version}")
    elif state in (State.SUBMITTED, State.UNDER_REVIEW, State.APPROVED):
        raise Conflict(
            f"Version {last.version} of contract {contract.id} is {state.value}; one version is on its way at a time.",
            next_step="return it, reject it or revoke it first",
        )
