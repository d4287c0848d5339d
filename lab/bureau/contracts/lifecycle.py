"""Every change of a contract's version, each in the caller's transaction and with its ledger entry.

``take_step`` takes any officer's step by its row of the workflow; ``_PREPARATIONS`` and ``_SEQUELS`` are what a few
steps do besides. Each change locks the contract's row first and the ledger last, so that changes to one contract are
serialised. The caller has checked the officer's permission (``lab.bureau.people``); four eyes are enforced here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from lab.bureau.contracts.approvals import check_approver, check_not_author
from lab.bureau.contracts.repository import (
    Approval,
    ContractRecord,
    ContractVersion,
    current_state,
    find_newest_version,
    find_version,
    list_contracts,
    list_versions,
)
from lab.bureau.contracts.transitions import (
    Transition,
    activate,
    apply_transition,
    can_take,
    check_not_expired,
    choose_version,
    record_change,
)
from lab.bureau.contracts.workflow import IN_FORCE_STATES, WORKFLOW, ContractState, next_state
from lab.bureau.ledger import Fact
from lab.bureau.people.permissions import AccountHolder
from lab.bureau.store.tables import ApprovalRow, ContractVersionRow
from lab.terms.contract.document import signing_input
from lab.terms.errors import Conflict, InvalidInput

__all__ = [
    "Approval",
    "ContractVersion",
    "approve_version_read",
    "current_state",
    "find_newest_version",
    "find_version",
    "list_contracts",
    "list_versions",
    "record_expiry",
    "take_step",
]


@dataclass(frozen=True, slots=True)
class _Step:
    """An officer's step in progress: the contract, the version's row, who takes it, and the transition."""

    contract: ContractRecord
    row: ContractVersionRow
    officer: AccountHolder
    transition: Transition
    version_named: bool

    @property
    def other_rows(self) -> list[ContractVersionRow]:
        """The contract's other versions, newest first."""
        return [row for row in self.contract.versions if row is not self.row]


def take_step(
    session: Session,
    contract_id: str,
    action: str,
    officer: AccountHolder,
    now: datetime,
    version: int | None = None,
    reason: str | None = None,
) -> ContractVersion:
    """Take an officer's step with a version: the one named, or the newest whose state has the step.

    Approving records one approval; the last one needed lets the bureau sign, and a version that the bank has signed
    comes into force. Returns the version after the step; after revoking without a version named, the version in force.
    Raises ``NotFound``, ``Conflict`` if the workflow has no such step from the state, ``NotAllowed`` by four eyes, and
    ``InvalidInput`` for a text that hides something.
    """
    contract = ContractRecord(session, contract_id, lock=True)
    row = choose_version(contract, action, version)
    transition = Transition(action, officer.actor, now, reason)
    return _take(_Step(contract, row, officer, transition, version is not None))


def approve_version_read(
    session: Session, contract_id: str, officer: AccountHolder, now: datetime, version: int | None = None
) -> ContractVersion:
    """Approve the version that the officer has read; one that is only submitted is taken into review first.

    From the second version on it must be named: its author could otherwise replace it between the reading and the
    approval. Raises ``InvalidInput`` if it is not named, and what ``take_step`` raises.
    """
    contract = ContractRecord(session, contract_id, lock=True)
    row = contract.versions[0] if version is None else contract.find(version)
    if version is None and row.version > 1:
        raise InvalidInput(
            f"Expected the version that you have read; contract {contract_id} has {row.version} of them.",
            next_step=f"read it (`lab officer show {contract_id}`), and approve it by its number: --version",
        )
    step = _Step(contract, row, officer, Transition("approve", officer.actor, now), version_named=True)
    if ContractState(row.state) is ContractState.SUBMITTED:
        permission = WORKFLOW["review"].permission
        if permission is not None:
            officer.check_permission(permission)
        _take(replace(step, transition=replace(step.transition, action="review")))
    return _take(step)


def record_expiry(session: Session, contract_id: str, now: datetime) -> bool:
    """Record the expiry of each version whose term is over; True if one of them was in force, so that the caller stops
    the contract's jobs."""
    contract = ContractRecord(session, contract_id, lock=True)
    ended = False
    for row in contract.versions:
        state = ContractState(row.state)
        if not can_take(row, "expire") or now < contract.document(row).expires:
            continue
        apply_transition(contract, row, Transition("expire", "bureau", now))
        ended = ended or state in IN_FORCE_STATES
        if state is ContractState.SUSPENDED:
            # An officer lifts a suspension. A bank could otherwise wait, and then sign a later version.
            reason = "the version in force was suspended when its term ended"
            for other in contract.versions:
                if ContractState(other.state) is ContractState.APPROVED:
                    apply_transition(contract, other, Transition("revoke", "bureau", now, reason))
    return ended


def _take(step: _Step) -> ContractVersion:
    contract, row, action = step.contract, step.row, step.transition.action
    if action == "approve":
        return _approve(step)
    if WORKFLOW[action].bars_author:
        check_not_author(contract.read(row), step.officer, action)
    if action in _PREPARATIONS:
        _PREPARATIONS[action](step)
    apply_transition(contract, row, step.transition)
    return _SEQUELS[action](step) if action in _SEQUELS else contract.read(row)


def _approve(step: _Step) -> ContractVersion:
    contract, row, officer, now = step.contract, step.row, step.officer, step.transition.now
    next_state(row.contract_id, ContractState(row.state), "approve")
    version = contract.read(row)
    check_not_expired(version.contract, now)
    check_approver(version, officer)
    approval = {"account": officer.name, "department": officer.department}
    contract.session.add(ApprovalRow(contract_id=row.contract_id, version=row.version, approved_at=now, **approval))
    contract.session.flush()
    number = len(version.approvals) + 1
    facts: dict[str, Fact] = {**approval, "approval": number, "officers_needed": row.officers_needed}
    record_change(contract, "contract.approval", row, officer.actor, facts)
    if number < row.officers_needed:
        return contract.read(row)
    sign = contract.session.info["sign"]  # the bureau's key; the ledger's entries are signed by it too
    row.bureau_signature, row.approved_at = sign(signing_input(version.contract)).hex(), now
    contract.read(row).signed.verify(require=("bureau",))
    apply_transition(contract, row, step.transition)
    if row.bank_signature is None:
        return contract.read(row)
    return activate(contract, row, officer.actor, now)


def _void_approvals(step: _Step) -> None:
    row = step.row
    step.contract.session.execute(
        delete(ApprovalRow).where(ApprovalRow.contract_id == row.contract_id, ApprovalRow.version == row.version)
    )
    row.reviewer = None


def _note_reviewer(step: _Step) -> None:
    step.row.reviewer = step.officer.name


def _revoke_others(step: _Step) -> None:
    """Without a version named, an approved version that waits for the bank ends with the version in force."""
    for other in step.other_rows:
        if not step.version_named and can_take(other, "revoke"):
            apply_transition(step.contract, other, step.transition)


def _check_none_waits(step: _Step) -> None:
    """Raise ``Conflict`` while an approved version waits to replace the one in force.

    Otherwise the bank could bring the contract back by signing, after officers had withdrawn it.
    """
    waiting = [row.version for row in step.contract.versions if ContractState(row.state) is ContractState.APPROVED]
    if ContractState(step.row.state) in IN_FORCE_STATES and waiting:
        raise Conflict(
            f"Version {waiting[0]} of contract {step.row.contract_id} is approved and waits for the bank.",
            next_step="have it signed, or revoke the contract",
        )


def _activate_waiting(step: _Step) -> ContractVersion:
    """A later version that both parties signed during the suspension comes into force at once."""
    for other in step.contract.versions:
        if ContractState(other.state) is ContractState.APPROVED and other.bank_signature is not None:
            return activate(step.contract, other, step.officer.actor, step.transition.now)
    return step.contract.read(step.row)


def _read_in_force(step: _Step) -> ContractVersion:
    contract = step.contract
    in_force = contract.contract.in_force
    if step.version_named:
        return contract.read(step.row)
    return contract.read(contract.versions[0] if in_force is None else contract.find(in_force))


_PREPARATIONS: Mapping[str, Callable[[_Step], None]] = {
    "return": _void_approvals,
    "review": _note_reviewer,
    "revoke": _revoke_others,
    "retire": _check_none_waits,
}
"""What a step checks or changes besides, before the version moves."""

_SEQUELS: Mapping[str, Callable[[_Step], ContractVersion]] = {"resume": _activate_waiting, "revoke": _read_in_force}
"""What follows a step in the same transaction; returns the version to show."""
