"""The states of a contract's version and the one table of transitions between them.

``docs/contract-workflow.md`` shows this table as a diagram; ``diagram`` draws it, and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

from lab.terms.errors import Conflict


class State(StrEnum):
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


class Action(StrEnum):
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


TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.DRAFT, Action.RETIRE): State.RETIRED,
    (State.DRAFT, Action.EXPIRE): State.EXPIRED,
    (State.SUBMITTED, Action.REVIEW): State.UNDER_REVIEW,
    (State.SUBMITTED, Action.RETURN): State.DRAFT,
    (State.SUBMITTED, Action.EXPIRE): State.EXPIRED,
    (State.UNDER_REVIEW, Action.APPROVE): State.APPROVED,
    (State.UNDER_REVIEW, Action.RETURN): State.DRAFT,
    (State.UNDER_REVIEW, Action.REJECT): State.REJECTED,
    (State.UNDER_REVIEW, Action.EXPIRE): State.EXPIRED,
    (State.APPROVED, Action.ACTIVATE): State.ACTIVE,
    (State.APPROVED, Action.REVOKE): State.REVOKED,
    (State.APPROVED, Action.EXPIRE): State.EXPIRED,
    (State.ACTIVE, Action.SUSPEND): State.SUSPENDED,
    (State.ACTIVE, Action.REVOKE): State.REVOKED,
    (State.ACTIVE, Action.EXPIRE): State.EXPIRED,
    (State.ACTIVE, Action.RETIRE): State.RETIRED,
    (State.SUSPENDED, Action.RESUME): State.ACTIVE,
    (State.SUSPENDED, Action.REVOKE): State.REVOKED,
    (State.SUSPENDED, Action.EXPIRE): State.EXPIRED,
    (State.SUSPENDED, Action.RETIRE): State.RETIRED,
}
"""The whole workflow; a pair that is not here is refused."""

FINAL = frozenset(State) - {state for state, _ in TRANSITIONS}
"""States that nothing leads out of."""

SIGNABLE = frozenset({State.SUBMITTED, State.UNDER_REVIEW, State.APPROVED})
"""States in which a version takes the bank's signature."""


def advance(contract_id: str, state: State, action: Action) -> State:
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


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> draft"]
    names = {state: state.value.replace("-", "_") for state in State}
    lines += [f"    {name} : {state.value}" for state, name in names.items() if name != state.value]
    lines += [f"    {names[state]} --> {names[after]} : {action}" for (state, action), after in TRANSITIONS.items()]
    lines += [f"    {names[state]} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines)
