"""The states of a contract and the one table of transitions between them."""

from __future__ import annotations

from enum import StrEnum

from lab.terms.errors import Conflict


class State(StrEnum):
    """Where a contract stands at the bureau."""

    DRAFT = "draft"
    """Written, not yet approved; the bank may have signed already."""
    APPROVED = "approved"
    """Signed by an officer of the bureau; in force from then on, within its term, once the bank has signed too."""
    EXPIRED = "expired"
    """Its term is over. Final."""
    REVOKED = "revoked"
    """Ended by an officer before its term. Final."""


class Action(StrEnum):
    """What can happen to a contract."""

    APPROVE = "approve"
    EXPIRE = "expire"
    REVOKE = "revoke"


TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.DRAFT, Action.APPROVE): State.APPROVED,
    (State.DRAFT, Action.EXPIRE): State.EXPIRED,
    (State.DRAFT, Action.REVOKE): State.REVOKED,
    (State.APPROVED, Action.EXPIRE): State.EXPIRED,
    (State.APPROVED, Action.REVOKE): State.REVOKED,
}
"""The whole workflow; a pair that is not here is refused."""

_ADVICE: dict[State, str] = {
    State.APPROVED: "nothing is left to do; `lab officer show` tells who has signed",
    State.EXPIRED: "draft a new contract with `lab officer draft`",
    State.REVOKED: "draft a new contract with `lab officer draft`",
}


def advance(contract_id: str, state: State, action: Action) -> State:
    """The state after ``action``; raises ``Conflict`` naming the state when the table has no such step."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise Conflict(
            f"Contract {contract_id} is {state.value}, so it cannot be moved by '{action.value}'.",
            next_step=_ADVICE.get(state, "see `lab officer show`"),
        )
    return after
