"""Moving one version along the workflow: the rule, the new state, its ledger entry, and coming into force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from lab.bureau.contracts.repository import ContractRecord, ContractVersion
from lab.bureau.contracts.workflow import FINAL_STATES, WORKFLOW, ContractState, next_state
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import ContractVersionRow
from lab.terms.contract.document import Contract
from lab.terms.contract_steps import CONTRACT_STEPS
from lab.terms.errors import Conflict
from lab.terms.text.visible_line import check_visible_line

MAX_REASON_CHARACTERS = 500
"""Characters of a reason at most; the ledger keeps it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A step to take with a version: which, by whom (as the ledger names them), when, and why."""

    action: str
    by: str
    now: datetime
    reason: str | None = None


def apply_transition(contract: ContractRecord, row: ContractVersionRow, transition: Transition) -> None:
    """Move the version and write the ledger entry, in the record's transaction.

    Raises ``Conflict`` if the workflow has no such step from its state or, for a step that leads to work under the
    contract, if the term is over; ``InvalidInput`` if a text of the document or the reason hides something.
    """
    after = next_state(contract.contract.id, ContractState(row.state), transition.action)
    if WORKFLOW[transition.action].leads_to_force:
        document = contract.document(row)
        check_not_expired(document, transition.now)
        document.check_free_texts()  # a document from before this rule may hide something; then it can only be ended
    if transition.reason is not None:
        check_visible_line(transition.reason, "a reason", longest=MAX_REASON_CHARACTERS)
    row.state = after.value
    if after in FINAL_STATES:
        row.ended_at = transition.now
    contract.session.flush()
    facts: dict[str, Fact] = {} if transition.reason is None else {"reason": transition.reason}
    record_change(contract, CONTRACT_STEPS[transition.action].entry_kind, row, transition.by, facts)


def activate(contract: ContractRecord, row: ContractVersionRow, by: str, now: datetime) -> ContractVersion:
    """Bring an approved version that both parties signed into force, in place of the former one.

    While the former one is suspended, the version waits: a signature must not lift a suspension.
    Raises ``NotAuthentic`` if a signature does not verify, and what ``apply_transition`` raises.
    """
    version = contract.read(row)
    version.signed.verify()
    step = Transition("activate", by, now)
    for former in contract.versions:
        if former.version != contract.contract.in_force:
            continue
        if ContractState(former.state) is ContractState.SUSPENDED:
            return version
        if ContractState(former.state) is ContractState.ACTIVE:
            replaced = replace(step, action="retire", reason=f"replaced by version {row.version}")
            apply_transition(contract, former, replaced)
    contract.contract.in_force = row.version
    apply_transition(contract, row, step)
    return contract.read(row)


def choose_version(contract: ContractRecord, action: str, version: int | None) -> ContractVersionRow:
    """The version of that number; without one, the newest whose state has the step, or else the newest."""
    if version is not None:
        return contract.find(version)
    able = [row for row in contract.versions if can_take(row, action)]
    return (able or contract.versions)[0]


def can_take(row: ContractVersionRow, action: str) -> bool:
    """Whether the workflow has the step from the version's state."""
    return ContractState(row.state) in WORKFLOW[action].from_states


def check_not_expired(contract: Contract, now: datetime) -> None:
    """Raise ``Conflict`` when the term is over."""
    if now >= contract.expires:
        raise Conflict(f"The term of contract {contract.id} is over.", next_step="draft a new version or contract")


def record_change(
    contract: ContractRecord, kind: str, row: ContractVersionRow, by: str, facts: Mapping[str, Fact]
) -> None:
    """Write the entry of a change: the version, the hash of its document, and the facts given."""
    about: dict[str, Fact] = {"version": row.version, "sha256": row.sha256}
    record(contract.session, kind, row.contract_id, about | dict(facts), by=by)
