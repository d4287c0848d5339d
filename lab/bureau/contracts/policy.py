"""What the clauses of a contract allow: each ``check_...`` raises ``NotAllowed``, naming the clause.

Pure: no storage, no clock, no counting. This module checks a single request against the clauses;
``lab.bureau.exchange.charges`` counts against the ceilings over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.bureau.contracts.workflow import ContractState
from lab.terms.contract.document import Contract, Operation, ReleaseForm, ResultDetail, SignedContract
from lab.terms.errors import NotAllowed, NotAuthentic

ALLOWED_DETAILS: dict[ResultDetail, frozenset[ResultDetail]] = {
    ResultDetail.TOTAL: frozenset({ResultDetail.TOTAL}),
    ResultDetail.DIMENSIONS: frozenset({ResultDetail.TOTAL, ResultDetail.DIMENSIONS}),
    ResultDetail.FEATURES: frozenset({ResultDetail.TOTAL, ResultDetail.FEATURES}),
    ResultDetail.FULL: frozenset(ResultDetail),
}
"""What each detail allows: itself and what can be computed from it."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What a request asks for, as far as it is known when it is authorised; None means "does not apply".

    A batch (``rows``) must give every field below ``rows``: a missing one is refused.
    """

    identifiers: int | None = None
    """Identifiers to be evaluated in one match."""
    job_rows: int | None = None
    """Enterprises announced for a job."""
    rows: int | None = None
    """Enterprises to be scored in one batch."""
    recipient: str | None = None
    """The recipient in the bank."""
    model: tuple[str, int] | None = None
    """Name and version of the model."""
    detail: ResultDetail | None = None
    """The detail of the replies."""
    items: frozenset[str] | None = None
    """Codes of the items that the model reads."""
    form: ReleaseForm = ReleaseForm.MODEL_INPUT_ONLY
    """The form in which it uses them."""


def check_state(contract: Contract, state: ContractState, now: datetime) -> None:
    """Check that the version is in force and ``now`` is within its term."""
    if state is ContractState.EXPIRED or (state is ContractState.ACTIVE and now >= contract.expires):
        raise NotAllowed(
            f"Contract {contract.id} expired on {contract.expires:%Y-%m-%d %H:%M} UTC (term: expires).",
            next_step="ask the bureau for a new version or contract",
        )
    if state is not ContractState.ACTIVE:
        raise NotAllowed(f"Contract {contract.id} is {state.value}; it must be active.", next_step=_STEPS[state])
    if now < contract.starts:
        raise NotAllowed(
            f"Contract {contract.id} starts on {contract.starts:%Y-%m-%d %H:%M} UTC (term: starts).",
            next_step="wait until it starts",
        )


_STEPS = {
    ContractState.DRAFT: "have an officer submit it (`lab officer submit`)",
    ContractState.SUBMITTED: "have another officer review and approve it (`lab officer approve`)",
    ContractState.UNDER_REVIEW: "have another officer approve it (`lab officer approve`)",
    ContractState.APPROVED: "have the bank sign it (`lab bank sign`)",
    ContractState.SUSPENDED: "ask the bureau when it will be resumed; jobs continue then at no new charge",
    ContractState.REJECTED: "ask the bureau for a new version or contract",
    ContractState.REVOKED: "ask the bureau for a new version or contract",
    ContractState.RETIRED: "ask the bureau for a new version or contract",
}


def check_signatures(signed: SignedContract, bureau_key: str) -> None:
    """Check that both signatures verify, the bureau's under its own key; raises ``NotAllowed`` also for a wrong
    signature, so that callers handle one family of errors."""
    if signed.contract.bureau.public_key != bureau_key:
        raise NotAllowed(
            f"Contract {signed.contract.id} names another bureau's key.",
            next_step="compare the database with a copy; somebody altered it",
        )
    try:
        signed.verify()
    except NotAuthentic as error:
        raise NotAllowed(error.detail, next_step=error.next_step) from None


def check_operation(contract: Contract, operation: Operation, detail: ResultDetail | None = None) -> None:
    """Check that the contract names the operation, and the portrait as well if replies are finer than totals."""
    asked = [operation]
    if detail is not None and detail is not ResultDetail.TOTAL:
        asked.append(Operation.PORTRAIT)
    for one in asked:
        if one not in contract.operations:
            raise NotAllowed(
                f"Contract {contract.id} allows {', '.join(contract.operations)}, not {one.value} (term: operations).",
                next_step="ask the bureau to amend the contract so that it names the operation",
            )


def check_ceilings(contract: Contract, request: AccessRequest) -> None:
    """Check the ceilings for one request."""
    ceilings = contract.ceilings
    for found, ceiling, term in (
        (request.identifiers, ceilings.identifiers_per_match, "identifiers_per_match"),
        (request.job_rows, ceilings.rows_per_job, "rows_per_job"),
        (request.rows, ceilings.rows_per_batch, "rows_per_batch"),
    ):
        if found is None:
            continue
        if found > ceiling:
            raise NotAllowed(
                f"Contract {contract.id} allows {ceiling} in one request (term: {term}); found {found}.",
                next_step="send smaller requests",
            )
        if found < 1:
            raise NotAllowed(
                f"A request needs at least 1 (term: {term}); found {found}.", next_step="send at least one"
            )


def check_model(contract: Contract, model: tuple[str, int]) -> None:
    """Check that the contract allows the model version."""
    contract.find_model(*model)


def check_detail(contract: Contract, detail: ResultDetail) -> None:
    """Check that replies are no finer than the contract allows."""
    if detail not in ALLOWED_DETAILS[contract.detail]:
        raise NotAllowed(
            f"Contract {contract.id} allows replies of detail {contract.detail.value}, not {detail.value} "
            "(term: detail).",
            next_step="ask for coarser replies, or ask the bureau to amend the contract",
        )


def check_recipient(contract: Contract, recipient: str) -> None:
    """Check that the contract names the recipient."""
    if recipient not in contract.recipients:
        raise NotAllowed(
            f"Contract {contract.id} names other recipients: {', '.join(contract.recipients)} (term: recipients).",
            next_step="name one of these, or ask the bureau to amend the contract",
        )


def check_items(contract: Contract, items: frozenset[str], form: ReleaseForm) -> None:
    """Check that every item is in the contract, in a form that allows this use."""
    allowed = {item.code for item in contract.items if item.form.allows(form)}
    missing = items - allowed
    if missing or (items and form is ReleaseForm.NONE):
        raise NotAllowed(
            f"Contract {contract.id} does not allow {len(missing)} of {len(items)} items in the form {form.value} "
            "(term: items).",
            next_step="use another model, or ask the bureau to amend the contract",
        )


def check_request(contract: Contract, request: AccessRequest) -> None:
    """Check all that a single request asks for, and that a batch gives every field."""
    check_ceilings(contract, request)
    if request.recipient is not None:
        check_recipient(contract, request.recipient)
    if request.model is not None:
        check_model(contract, request.model)
    if request.detail is not None:
        check_detail(contract, request.detail)
    if request.items is not None:
        check_items(contract, request.items, request.form)
    if request.rows is None:
        return
    for said, term in (
        (request.recipient, "recipients"),
        (request.model, "models"),
        (request.detail, "detail"),
        (request.items, "items"),
    ):
        if said is None:
            raise NotAllowed(
                f"A batch under contract {contract.id} must give all that is limited; found nothing for {term}.",
                next_step="name the batch's job",
            )


def passes_check(check: Callable[..., None], *args: object) -> bool:
    """Whether ``check`` passes: a boolean instead of the error."""
    try:
        check(*args)
    except NotAllowed:
        return False
    return True


def is_operation_allowed(
    signed: SignedContract,
    state: ContractState,
    operation: Operation,
    request: AccessRequest,
    now: datetime,
    bureau_key: str,
) -> bool:
    """Whether ``operation`` is allowed now, apart from the ceilings over time."""
    contract = signed.contract
    return (
        passes_check(check_state, contract, state, now)
        and passes_check(check_signatures, signed, bureau_key)
        and passes_check(check_operation, contract, operation, request.detail)
        and passes_check(check_request, contract, request)
    )
