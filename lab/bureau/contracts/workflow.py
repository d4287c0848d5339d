"""The states of a contract's version and the one table of transitions between them.

``docs/contract-workflow.md`` shows this table as a diagram; ``draw_diagram`` draws it, and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

from lab.terms.errors import Conflict


class ContractState(StrEnum):
    """Where a version of a contract stands at the bureau."""

    DRAFT = "draft"
    """Written by an officer, or sent in by a bank; nobody has been asked to look at it."""
    SUBMITTED = "submitted"
    """Handed in; waits for a reviewer. The bank may sign from here on."""
    UNDER_REVIEW = "under-review"
    """An officer other than its author reads it."""
    APPROVED = "approved"
    """As many officers as its items' grades ask for have approved, and the bureau has signed; the bank has yet to."""
    ACTIVE = "active"
    """Both have signed: in force within its term. A contract has one such version at most."""
    SUSPENDED = "suspended"
    """Nothing runs until an officer resumes it."""
    REJECTED = "rejected"
    """Turned down in review. Final."""
    REVOKED = "revoked"
    """Ended by an officer before its term. Final."""
    EXPIRED = "expired"
    """Its term is over. Final."""
    RETIRED = "retired"
    """Given up, or replaced by a later version. Final."""


class ContractAction(StrEnum):
    """What can happen to a version."""

    SUBMIT = "submit"
    RETURN = "return"
    REVIEW = "review"
    APPROVE = "approve"
    REJECT = "reject"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    EXPIRE = "expire"
    RETIRE = "retire"


TRANSITIONS: dict[tuple[ContractState, ContractAction], ContractState] = {
    (ContractState.DRAFT, ContractAction.SUBMIT): ContractState.SUBMITTED,
    (ContractState.DRAFT, ContractAction.RETIRE): ContractState.RETIRED,
    (ContractState.DRAFT, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.SUBMITTED, ContractAction.REVIEW): ContractState.UNDER_REVIEW,
    (ContractState.SUBMITTED, ContractAction.RETURN): ContractState.DRAFT,
    (ContractState.SUBMITTED, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.UNDER_REVIEW, ContractAction.APPROVE): ContractState.APPROVED,
    (ContractState.UNDER_REVIEW, ContractAction.RETURN): ContractState.DRAFT,
    (ContractState.UNDER_REVIEW, ContractAction.REJECT): ContractState.REJECTED,
    (ContractState.UNDER_REVIEW, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.APPROVED, ContractAction.ACTIVATE): ContractState.ACTIVE,
    (ContractState.APPROVED, ContractAction.REVOKE): ContractState.REVOKED,
    (ContractState.APPROVED, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.ACTIVE, ContractAction.SUSPEND): ContractState.SUSPENDED,
    (ContractState.ACTIVE, ContractAction.REVOKE): ContractState.REVOKED,
    (ContractState.ACTIVE, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.ACTIVE, ContractAction.RETIRE): ContractState.RETIRED,
    (ContractState.SUSPENDED, ContractAction.RESUME): ContractState.ACTIVE,
    (ContractState.SUSPENDED, ContractAction.REVOKE): ContractState.REVOKED,
    (ContractState.SUSPENDED, ContractAction.EXPIRE): ContractState.EXPIRED,
    (ContractState.SUSPENDED, ContractAction.RETIRE): ContractState.RETIRED,
}
"""The whole workflow; a pair that is not here is refused."""

FINAL_STATES = frozenset(ContractState) - {state for state, _ in TRANSITIONS}
"""States that nothing leads out of."""

SIGNABLE_STATES = frozenset({ContractState.SUBMITTED, ContractState.UNDER_REVIEW, ContractState.APPROVED})
"""States in which a version takes the bank's signature."""


def next_state(contract_id: str, state: ContractState, action: ContractAction) -> ContractState:
    """The state after ``action``; raises ``Conflict`` naming the state and what can be done when the table has no such
    step."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        possible = [one.value for before, one in TRANSITIONS if before is state]
        raise Conflict(
            f"Contract {contract_id} is {state.value}, so it cannot be moved by '{action.value}'.",
            next_step=f"possible now: {', '.join(possible)}" if possible else "draft a new version or contract",
        )
    return after


def draw_diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> draft"]
    names = {state: state.value.replace("-", "_") for state in ContractState}
    lines += [f"    {name} : {state.value}" for state, name in names.items() if name != state.value]
    lines += [f"    {names[state]} --> {names[after]} : {action}" for (state, action), after in TRANSITIONS.items()]
    lines += [f"    {names[state]} --> [*]" for state in ContractState if state in FINAL_STATES]
    return "\n".join(lines)
