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
    ContractVersion,
    contract_row,
    current_state,
    find_newest_version,
    find_version,
    list_contracts,
    list_versions,
    read_version,
    version_rows,
)
from lab.bureau.contracts.transitions import (
    IN_FORCE_STATES,
    activate,
    apply_action,
    check_not_expired,
    find_version_row,
    record_change,
    select_version_rows,
)
from lab.bureau.contracts.workflow import (
    FINAL_STATES,
    SIGNABLE_STATES,
    TRANSITIONS,
    ContractAction,
    ContractState,
    next_state,
)
from lab.bureau.ledger import Fact
from lab.bureau.people.permissions import AccountHolder
from lab.bureau.store.tables import ApprovalRow, BankKeyRow, ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract, signing_input
from lab.terms.errors import Conflict
from lab.terms.keys.signature import verify_signature

__all__ = [
    "Approval",
    "ContractVersion",
    "accept_bank_signature",
    "approve",
    "current_state",
    "find_newest_version",
    "find_version",
    "insert_draft",
    "list_contracts",
    "list_versions",
    "record_expiry",
    "reject",
    "resume",
    "retire",
    "return_to_author",
    "revoke",
    "start_review",
    "submit",
    "suspend",
]


def insert_draft(
    session: Session, contract: Contract, *, bank_id: str, officers_needed: int, author: AccountHolder, now: datetime
) -> ContractVersion:
    """Keep a new contract, or the next version of one, as a draft.

    A draft that it replaces is retired. Raises ``Conflict`` if the id is taken, the version is not the next one,
    another version is still on its way, or the bank is another; ``InvalidInput`` if a text of it hides something.
    """
    by = author.actor
    contract.check_free_texts()
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
        document=contract.canonical_bytes().decode(),
        sha256=contract.sha256,
        state=ContractState.DRAFT.value,
        officers_needed=officers_needed,
        drafted_by=author.name,
        drafted_at=now,
    )
    session.add(version)
    session.flush()
    facts: dict[str, Fact] = {"purpose": contract.purpose.value, "bank": bank_id, "officers_needed": officers_needed}
    record_change(session, "contract.drafted", version, by, facts)
    return read_version(session, row, version)


def submit(
    session: Session, contract_id: str, officer: AccountHolder, now: datetime, version: int | None = None
) -> ContractVersion:
    """Hand a draft in; the bank may sign it from here on."""
    contract, row = select_version_rows(session, contract_id, ContractAction.SUBMIT, version)
    return apply_action(session, contract, row, ContractAction.SUBMIT, officer.actor, now)


def return_to_author(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Return a version to its author as a draft; approvals so far are void."""
    contract, row = select_version_rows(session, contract_id, ContractAction.RETURN, version)
    session.execute(
        delete(ApprovalRow).where(ApprovalRow.contract_id == contract_id, ApprovalRow.version == row.version)
    )
    row.reviewer = None
    return apply_action(session, contract, row, ContractAction.RETURN, officer.actor, now, reason)


def start_review(
    session: Session, contract_id: str, officer: AccountHolder, now: datetime, version: int | None = None
) -> ContractVersion:
    """Take a version into review; raises ``NotAllowed`` for its author."""
    contract, row = select_version_rows(session, contract_id, ContractAction.REVIEW, version)
    check_not_author(read_version(session, contract, row), officer, "review")
    row.reviewer = officer.name
    return apply_action(session, contract, row, ContractAction.REVIEW, officer.actor, now)


def approve(
    session: Session,
    contract_id: str,
    officer: AccountHolder,
    sign: Callable[[bytes], bytes],
    now: datetime,
    version: int | None = None,
) -> ContractVersion:
    """Record an officer's approval. The last one needed lets the bureau sign, and a version the bank has signed
    already comes into force.

    ``sign`` is the bureau's Ed25519 key at work. Raises ``NotAllowed`` for the author, for an officer who approved
    before and, where two are needed, for a second one of the same department; ``Conflict`` unless it is under review.
    """
    contract, row = select_version_rows(session, contract_id, ContractAction.APPROVE, version)
    next_state(contract_id, ContractState(row.state), ContractAction.APPROVE)
    document = read_version(session, contract, row)
    check_not_expired(document.contract, now)
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
    record_change(session, "contract.approval", row, officer.actor, facts)
    if given < row.officers_needed:
        return read_version(session, contract, row)
    row.bureau_signature, row.approved_at = sign(signing_input(document.contract)).hex(), now
    read_version(session, contract, row).signed.verify(require=("bureau",))
    approved = apply_action(session, contract, row, ContractAction.APPROVE, officer.actor, now)
    if row.bank_signature is None:
        return approved
    return activate(session, contract, row, officer.actor, now)


def reject(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Turn a version down in review; raises ``NotAllowed`` for its author."""
    contract, row = select_version_rows(session, contract_id, ContractAction.REJECT, version)
    check_not_author(read_version(session, contract, row), officer, "reject")
    return apply_action(session, contract, row, ContractAction.REJECT, officer.actor, now, reason)


def accept_bank_signature(
    session: Session, contract_id: str, signature: str, now: datetime, by: str, version: int | None = None
) -> ContractVersion:
    """Keep the bank's signature of a version (without one named: the newest that takes it); an approved version
    comes into force. The same signature again changes nothing.

    Raises ``NotAuthentic`` if it does not verify, ``Conflict`` if the version takes none, bears another one, or names
    a key of the bank that was revoked.
    """
    contract = contract_row(session, contract_id, lock=True)
    rows = version_rows(session, contract_id)
    signable = [row for row in rows if ContractState(row.state) in SIGNABLE_STATES]
    row = find_version_row(rows, version) if version is not None else (signable or rows)[0]
    document = read_version(session, contract, row)
    state = current_state(document, now)
    if state in FINAL_STATES or state is ContractState.DRAFT:
        raise Conflict(
            f"Contract {contract_id} version {row.version} is {state.value}; it takes no signature.",
            next_step="ask the bureau to submit it"
            if state is ContractState.DRAFT
            else "ask the bureau for a new version",
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
    if ContractState(row.state) is not ContractState.APPROVED:
        return read_version(session, contract, row)
    return activate(session, contract, row, by, now)


def suspend(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Stop everything under the version in force until it is resumed."""
    contract, row = select_version_rows(session, contract_id, ContractAction.SUSPEND, version)
    return apply_action(session, contract, row, ContractAction.SUSPEND, officer.actor, now, reason)


def resume(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Let a suspended version go on; a later one that both have signed meanwhile comes into force at once."""
    contract, row = select_version_rows(session, contract_id, ContractAction.RESUME, version)
    resumed = apply_action(session, contract, row, ContractAction.RESUME, officer.actor, now, reason)
    for waiting in version_rows(session, contract_id):
        if ContractState(waiting.state) is ContractState.APPROVED and waiting.bank_signature is not None:
            return activate(session, contract, waiting, officer.actor, now)
    return resumed


def revoke(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """End a contract before its term; without a version, an approved one that waits for the bank ends with it."""
    contract, row = select_version_rows(session, contract_id, ContractAction.REVOKE, version)
    if version is None:
        for other in version_rows(session, contract_id):
            if other is not row and (ContractState(other.state), ContractAction.REVOKE) in TRANSITIONS:
                apply_action(session, contract, other, ContractAction.REVOKE, officer.actor, now, reason)
    apply_action(session, contract, row, ContractAction.REVOKE, officer.actor, now, reason)
    return find_version(session, contract_id, version)


def retire(
    session: Session, contract_id: str, officer: AccountHolder, reason: str, now: datetime, version: int | None = None
) -> ContractVersion:
    """Give up a draft, or the version in force; raises ``Conflict`` while an approved one waits to replace that."""
    contract, row = select_version_rows(session, contract_id, ContractAction.RETIRE, version)
    waiting = [
        one.version for one in version_rows(session, contract_id) if ContractState(one.state) is ContractState.APPROVED
    ]
    if ContractState(row.state) in IN_FORCE_STATES and waiting:
        # Otherwise the bank could bring the contract back by signing, after officers had given it up.
        raise Conflict(
            f"Version {waiting[0]} of contract {contract_id} is approved and waits for the bank.",
            next_step="have it signed, or revoke the contract",
        )
    return apply_action(session, contract, row, ContractAction.RETIRE, officer.actor, now, reason)


def record_expiry(session: Session, contract_id: str, now: datetime) -> bool:
    """Record that terms are over, where they are and nobody has yet; tells whether one was of the version in force.

    Its caller stops the contract's jobs if it was.
    """
    contract = contract_row(session, contract_id, lock=True)
    ended = False
    for row in version_rows(session, contract_id):
        document, state = read_version(session, contract, row), ContractState(row.state)
        if state in FINAL_STATES or now < document.contract.expires:
            continue
        apply_action(session, contract, row, ContractAction.EXPIRE, "bureau", now)
        ended = ended or state in IN_FORCE_STATES
        if state is ContractState.SUSPENDED:
            # A suspension is lifted by an officer, not by a bank that waits and then signs a later version.
            for other in version_rows(session, contract_id):
                if ContractState(other.state) is ContractState.APPROVED:
                    reason = "the version in force was suspended when its term ended"
                    apply_action(session, contract, other, ContractAction.REVOKE, "bureau", now, reason)
    return ended


def _make_way(session: Session, row: ContractRow, contract: Contract, bank_id: str, by: str, now: datetime) -> None:
    last = version_rows(session, contract.id)[0]
    state = ContractState(last.state)
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
    if state is ContractState.DRAFT:
        apply_action(session, row, last, ContractAction.RETIRE, by, now, f"replaced by version {contract.version}")
    elif state in (ContractState.SUBMITTED, ContractState.UNDER_REVIEW, ContractState.APPROVED):
        raise Conflict(
            f"Version {last.version} of contract {contract.id} is {state.value}; one version is on its way at a time.",
            next_step="return it, reject it or revoke it first",
        )
