"""What the terms of a contract allow. ``check_x`` raises ``Refused`` naming the term; ``may_x`` answers yes or no.

Pure: no storage, no clock, no counting. Whether a ceiling has been reached over time is counted in
``lab.bureau.exchange.charges``; here a single request is held against the terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.bureau.contracts.workflow import State
from lab.terms.contract.document import Contract, Detail, Operation, ReleaseForm, SignedContract
from lab.terms.errors import NotAuthentic, Refused

COARSER: dict[Detail, frozenset[Detail]] = {
    Detail.TOTAL: frozenset({Detail.TOTAL}),
    Detail.DIMENSIONS: frozenset({Detail.TOTAL, Detail.DIMENSIONS}),
    Detail.FEATURES: frozenset({Detail.TOTAL, Detail.FEATURES}),
    Detail.FULL: frozenset(Detail),
}
"""What each detail allows: itself and whatever can be worked out from it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants, as far as it is known when it is let through; None is "does not apply".

    A batch (``rows``) has to say everything that is below it here: what it leaves out is not allowed.
    """

    identifiers: int | None = None
    """Identifiers to be evaluated in one match."""
    job_rows: int | None = None
    """Enterprises announced for a job."""
    rows: int | None = None
    """Enterprises to be scored in one batch."""
    recipient: str | None = None
    """Who in the bank gets the results."""
    model: tuple[str, int] | None = None
    """Name and version of the model."""
    detail: Detail | None = None
    """How fine the replies are."""
    items: frozenset[str] | None = None
    """Codes of the items that the model reads."""
    form: ReleaseForm = ReleaseForm.MODEL_INPUT_ONLY
    """In which form it uses them."""


def check_state(contract: Contract, state: State, now: datetime) -> None:
    """The version is in force and ``now`` lies within its term."""
    if state is State.EXPIRED or (state is State.ACTIVE and now >= contract.expires):
        raise Refused(
            f"Contract {contract.id} expired on {contract.expires:%Y-%m-%d %H:%M} UTC (term: expires).",
            next_step="ask the bureau for a new version or contract",
        )
    if state is not State.ACTIVE:
        raise Refused(f"Contract {contract.id} is {state.value}; it must be active.", next_step=_STEPS[state])
    if now < contract.starts:
        raise Refused(
            f"Contract {contract.id} starts on {contract.starts:%Y-%m-%d %H:%M} UTC (term: starts).",
            next_step="wait until it starts",
        )


_STEPS = {
    State.DRAFT: "have an officer submit it (`lab officer submit`)",
    State.SUBMITTED: "have another officer review and approve it (`lab officer approve`)",
    State.UNDER_REVIEW: "have another officer approve it (`lab officer approve`)",
    State.APPROVED: "have the bank sign it (`lab bank sign`)",
    State.SUSPENDED: "ask the bureau when it will be resumed; jobs go on then at no new charge",
    State.REJECTED: "ask the bureau for a new version or contract",
    State.REVOKED: "ask the bureau for a new version or contract",
    State.RETIRED: "ask the bureau for a new version or contract",
}


def check_signatures(signed: SignedContract, bureau_key: str) -> None:
    """Both signatures are there and verify, the bureau's under its own key; raises ``Refused`` so that the caller need
    not tell two families apart."""
    if signed.contract.bureau.public_key != bureau_key:
        raise Refused(
            f"Contract {signed.contract.id} names another bureau's key.",
            next_step="compare the database with a copy; somebody altered it",
        )
    try:
        signed.verify()
    except NotAuthentic as error:
        raise Refused(error.detail, next_step=error.next_step) from None


def check_operation(contract: Contract, operation: Operation, detail: Detail | None = None) -> None:
    """The contract names the operation, and the portrait as well if replies are to be finer than totals."""
    asked = [operation]
    if detail is not None and detail is not Detail.TOTAL:
        asked.append(Operation.PORTRAIT)
    for one in asked:
        if one not in contract.operations:
            raise Refused(
                f"Contract {contract.id} allows {', '.join(contract.operations)}, not {one.value} (term: operations).",
                next_step="ask the bureau to amend the contract so that it names the operation",
            )


def check_ceilings(contract: Contract, ask: Ask) -> None:
    """A single request stays within the ceilings for one request."""
    ceilings = contract.ceilings
    for found, ceiling, term in (
        (ask.identifiers, ceilings.identifiers_per_match, "identifiers_per_match"),
        (ask.job_rows, ceilings.rows_per_job, "rows_per_job"),
        (ask.rows, ceilings.rows_per_batch, "rows_per_batch"),
    ):
        if found is None:
            continue
        if found > ceiling:
            raise Refused(
                f"Contract {contract.id} allows {ceiling} in one request (term: {term}); found {found}.",
                next_step="send smaller requests",
            )
        if found < 1:
            raise Refused(f"A request needs at least 1 (term: {term}); found {found}.", next_step="send at least one")


def check_model(contract: Contract, model: tuple[str, int]) -> None:
    """The contract allows the model version."""
    contract.model(*model)


def check_detail(contract: Contract, detail: Detail) -> None:
    """Replies are no finer than the contract allows."""
    if detail not in COARSER[contract.detail]:
        raise Refused(
            f"Contract {contract.id} allows replies of detail {contract.detail.value}, not {detail.value} "
            "(term: detail).",
            next_step="ask for coarser replies, or ask the bureau to amend the contract",
        )


def check_recipient(contract: Contract, recipient: str) -> None:
    """The contract names the recipient."""
    if recipient not in contract.recipients:
        raise Refused(
            f"Contract {contract.id} names other recipients: {', '.join(contract.recipients)} (term: recipients).",
            next_step="name one of these, or ask the bureau to amend the contract",
        )


def check_items(contract: Contract, items: frozenset[str], form: ReleaseForm) -> None:
    """Every item is in the contract, in a form that allows this use."""
    allowed = {item.code for item in contract.items if item.form.allows(form)}
    missing = items - allowed
    if missing or (items and form is ReleaseForm.NONE):
        raise Refused(
            f"Contract {contract.id} does not allow {len(missing)} of {len(items)} items in the form {form.value} "
            "(term: items).",
            next_step="use another model, or ask the bureau to amend the contract",
        )


def check_ask(contract: Contract, ask: Ask) -> None:
    """Whatever a single request asks for is within the terms, and a batch says everything."""
    check_ceilings(contract, ask)
    if ask.recipient is not None:
        check_recipient(contract, ask.recipient)
    if ask.model is not None:
        check_model(contract, ask.model)
    if ask.detail is not None:
        check_detail(contract, ask.detail)
    if ask.items is not None:
        check_items(contract, ask.items, ask.form)
    if ask.rows is None:
        return
    for said, term in (
        (ask.recipient, "recipients"),
        (ask.model, "models"),
        (ask.detail, "detail"),
        (ask.items, "items"),
    ):
        if said is None:
            raise Refused(
                f"A batch under contract {contract.id} has to say what the term {term} is held against.",
                next_step="name the batch's job",
            )


def may(check: Callable[..., None], *args: object) -> bool:
    """Whether ``check`` lets through: the answer instead of the error."""
    try:
        check(*args)
    except Refused:
        return False
    return True


def may_use(
    signed: SignedContract, state: State, operation: Operation, ask: Ask, now: datetime, bureau_key: str
) -> bool:
    """Whether ``operation`` is allowed now, counting over time aside."""
    contract = signed.contract
    return (
        may(check_state, contract, state, now)
        and may(check_signatures, signed, bureau_key)
        and may(check_operation, contract, operation, ask.detail)
        and may(check_ask, contract, ask)
    )
