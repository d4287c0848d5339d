"""The states of a request for data and the steps between them: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lab.terms.errors import Conflict


class RequestState(StrEnum):
    """The state of a request for data."""

    ASKED = "asked"
    """Waits for a steward."""
    GRANTED = "granted"
    """Every item was granted; a contract can be drafted."""
    PARTLY_GRANTED = "partly-granted"
    """Some items were granted; a contract over these can be drafted."""
    REFUSED = "refused"
    """No item was granted. Final."""
    WITHDRAWN = "withdrawn"
    """The organisation took it back. Final."""
    CONTRACTED = "contracted"
    """A draft contract names it. Final: a request leads to one contract."""


class RequestAction(StrEnum):
    """A step of a request."""

    GRANT = "grant"
    GRANT_PART = "grant-part"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class RequestStep:
    """From which states a step leads to which, and the ledger's kind of its entry."""

    from_states: tuple[RequestState, ...]
    to_state: RequestState
    entry_kind: str


_S = RequestState
REQUEST_WORKFLOW: Mapping[RequestAction, RequestStep] = {
    RequestAction.GRANT: RequestStep((_S.ASKED,), _S.GRANTED, "request.answered"),
    RequestAction.GRANT_PART: RequestStep((_S.ASKED,), _S.PARTLY_GRANTED, "request.answered"),
    RequestAction.REFUSE: RequestStep((_S.ASKED,), _S.REFUSED, "request.answered"),
    RequestAction.WITHDRAW: RequestStep((_S.ASKED,), _S.WITHDRAWN, "request.withdrawn"),
    RequestAction.CONTRACT: RequestStep((_S.GRANTED, _S.PARTLY_GRANTED), _S.CONTRACTED, "request.contracted"),
}
"""The whole workflow; a step from another state is refused."""


def next_request_state(request_id: str, state: RequestState, action: RequestAction) -> RequestState:
    """The state after ``action``; raises ``Conflict``, naming the state, if there is no such step."""
    step = REQUEST_WORKFLOW[action]
    if state not in step.from_states:
        possible = [name.value for name, one in REQUEST_WORKFLOW.items() if state in one.from_states]
        raise Conflict(
            f"The request {request_id} is {state.value}; the step '{action.value}' does not lead on from there.",
            next_step=f"possible now: {', '.join(possible)}" if possible else "ask again, as a new request",
        )
    return step.to_state


def answer_action(granted: int, refused: int) -> RequestAction:
    """The step of an answer that grants and refuses so many items."""
    if not granted:
        return RequestAction.REFUSE
    return RequestAction.GRANT_PART if refused else RequestAction.GRANT
