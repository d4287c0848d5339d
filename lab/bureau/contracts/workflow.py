"""The states of a contract's version, and the bureau's rules for each step between them.

A step is one row of ``lab.terms.contract_steps`` (its words) with one row of ``WORKFLOW`` here (its rules).
``docs/contract-workflow.md`` shows both; ``draw_diagram`` and ``draw_step_table`` write it, and a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lab.bureau.people.permissions import Permission
from lab.terms.contract_steps import CONTRACT_STEPS
from lab.terms.errors import Conflict


class ContractState(StrEnum):
    """The state of a version of a contract at the bureau."""

    DRAFT = "draft"
    """Written by an officer; nobody has been asked to review it."""
    SUBMITTED = "submitted"
    """Waits for a reviewer. The bank may sign from here on."""
    UNDER_REVIEW = "under-review"
    """An officer other than its author reads it."""
    APPROVED = "approved"
    """As many officers as its items' grades require have approved, and the bureau has signed; the bank has yet to."""
    ACTIVE = "active"
    """Both have signed: in force within its term. A contract has one such version at most."""
    SUSPENDED = "suspended"
    """Nothing runs until an officer resumes it."""
    REJECTED = "rejected"
    """Rejected in review. Final."""
    REVOKED = "revoked"
    """Ended by an officer before its term. Final."""
    EXPIRED = "expired"
    """Its term is over. Final."""
    RETIRED = "retired"
    """Withdrawn, or replaced by a later version. Final."""


_S = ContractState
SIGNABLE_STATES = frozenset({_S.SUBMITTED, _S.UNDER_REVIEW, _S.APPROVED})
"""States in which a version takes the bank's signature."""
IN_FORCE_STATES = frozenset({_S.ACTIVE, _S.SUSPENDED})
"""States of the version in force."""


@dataclass(frozen=True, slots=True)
class StepRule:
    """The bureau's rules for a step."""

    from_states: tuple[ContractState, ...]
    to_state: ContractState
    permission: Permission | None = None
    """What the person needs; None for a step that no person takes."""
    bars_author: bool = False
    """Whether the officer who drafted the version may not take the step (four eyes)."""
    leads_to_force: bool = False
    """Whether the term must still run and every text be visible: the step leads to work under the contract."""
    stops_jobs: bool = False


WORKFLOW: Mapping[str, StepRule] = {
    "submit": StepRule((_S.DRAFT,), _S.SUBMITTED, Permission.DRAFT_CONTRACTS, leads_to_force=True),
    "return": StepRule((_S.SUBMITTED, _S.UNDER_REVIEW), _S.DRAFT, Permission.REVIEW_CONTRACTS),
    "review": StepRule(
        (_S.SUBMITTED,), _S.UNDER_REVIEW, Permission.REVIEW_CONTRACTS, bars_author=True, leads_to_force=True
    ),
    "approve": StepRule(
        (_S.UNDER_REVIEW,), _S.APPROVED, Permission.APPROVE_CONTRACTS, bars_author=True, leads_to_force=True
    ),
    "reject": StepRule((_S.UNDER_REVIEW,), _S.REJECTED, Permission.REVIEW_CONTRACTS, bars_author=True),
    "activate": StepRule((_S.APPROVED,), _S.ACTIVE, leads_to_force=True),
    "suspend": StepRule((_S.ACTIVE,), _S.SUSPENDED, Permission.SUSPEND_CONTRACTS, stops_jobs=True),
    "resume": StepRule((_S.SUSPENDED,), _S.ACTIVE, Permission.SUSPEND_CONTRACTS, leads_to_force=True),
    "revoke": StepRule(
        (_S.APPROVED, _S.ACTIVE, _S.SUSPENDED), _S.REVOKED, Permission.REVOKE_CONTRACTS, stops_jobs=True
    ),
    "expire": StepRule((_S.DRAFT, _S.SUBMITTED, _S.UNDER_REVIEW, _S.APPROVED, _S.ACTIVE, _S.SUSPENDED), _S.EXPIRED),
    "retire": StepRule((_S.DRAFT, _S.ACTIVE, _S.SUSPENDED), _S.RETIRED, Permission.REVOKE_CONTRACTS, stops_jobs=True),
}
"""The whole workflow, by action; a step from another state is refused."""

FINAL_STATES = frozenset(ContractState) - {state for rule in WORKFLOW.values() for state in rule.from_states}
"""States that no step leads out of."""


def next_state(contract_id: str, state: ContractState, action: str) -> ContractState:
    """The state after ``action``; raises ``Conflict``, naming the state and the possible steps, if there is no such
    step."""
    rule = WORKFLOW[action]
    if state not in rule.from_states:
        possible = [name for name, one in WORKFLOW.items() if state in one.from_states]
        raise Conflict(
            f"Contract {contract_id} is {state.value}, so it cannot be moved by '{action}'.",
            next_step=f"possible now: {', '.join(possible)}" if possible else "draft a new version or contract",
        )
    return rule.to_state


def draw_diagram() -> str:
    """The workflow as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> draft"]
    names = {state: state.value.replace("-", "_") for state in ContractState}
    lines += [f"    {name} : {state.value}" for state, name in names.items() if name != state.value]
    lines += [
        f"    {names[state]} --> {names[rule.to_state]} : {action}"
        for state in ContractState
        for action, rule in WORKFLOW.items()
        if state in rule.from_states
    ]
    lines += [f"    {names[state]} --> [*]" for state in ContractState if state in FINAL_STATES]
    return "\n".join(lines)


def draw_step_table() -> str:
    """The steps as a Markdown table: action, Chinese word, who takes it, and the command."""
    lines = ["| action | 中文 | who | command |", "|---|---|---|---|"]
    steps = (CONTRACT_STEPS[action] for action in WORKFLOW)
    lines += [f"| {step.action} | {step.zh} | {step.who} | {step.page_command} |" for step in steps]
    return "\n".join(lines)
