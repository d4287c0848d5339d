"""From a granted request to a draft contract: its options, and the rule that it uses nothing beyond what was granted.

A contract for a request is with the organisation that asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from lab.bureau.data.requests.data_request import ITEM_GRANTED, find_request_row, item_rows
from lab.bureau.data.requests.workflow import REQUEST_WORKFLOW, RequestAction, RequestState, next_request_state
from lab.bureau.ledger import Fact, record
from lab.terms.contract.document import Contract, ReleaseForm, counts_only
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import InvalidInput, NotAllowed


@dataclass(frozen=True, slots=True)
class GrantedRequest:
    """A request that a contract may be drafted for: who asked, what was granted, and what the contract should say."""

    id: str
    organisation: str
    items: frozenset[str]
    options: DraftOptions


def find_granted_request(session: Session, request_id: str) -> GrantedRequest:
    """The request, locked; raises ``NotFound``, or ``Conflict`` unless it is granted and no contract names it."""
    row = find_request_row(session, request_id, lock=True)
    next_request_state(row.id, RequestState(row.state), RequestAction.CONTRACT)
    granted = frozenset(one.code for one in item_rows(session, [row.id])[row.id] if one.fate == ITEM_GRANTED)
    return GrantedRequest(row.id, row.organisation, granted, DraftOptions.model_validate_json(row.options))


def prefill_options(request: GrantedRequest, options: DraftOptions, register_codes: Collection[str]) -> DraftOptions:
    """The officer's options; where one is not chosen, what the request asks for, and its items that the model's
    register has, as inputs of models."""
    asked = options.with_defaults(request.options)
    if asked.operations is not None and counts_only(asked.operations):
        return asked
    granted = sorted(request.items & set(register_codes))
    forms = dict.fromkeys(granted, ReleaseForm.MODEL_INPUT_ONLY) | (asked.forms or {})
    return asked.model_copy(update={"forms": forms})


def check_contract_fits(contract: Contract, request: GrantedRequest, sources: Mapping[str, Collection[str]]) -> None:
    """Raise ``NotAllowed`` unless the contract is with the organisation that asked, and uses only what was granted.

    ``sources``: for an item computed from others (a feature), the items that it is computed from.
    """
    if contract.bank.name != request.organisation:
        raise NotAllowed(
            f"The request {request.id} is of another organisation than the bank of the contract.",
            next_step="draft with the card of the organisation that asked",
        )
    missing = [
        item.code
        for item in contract.items
        if item.code not in request.items and not (sources.get(item.code) and set(sources[item.code]) <= request.items)
    ]
    if missing:
        raise NotAllowed(
            f"The contract would use {len(missing)} items that the request {request.id} was not granted: "
            f"{', '.join(missing[:5])}.",
            next_step="choose a model that reads only what was granted, or have the rest asked for",
        )


def check_request_kept(contract: Contract, before: Contract | None) -> None:
    """Raise ``InvalidInput`` if a later version names another request than the version before it."""
    if before is not None and contract.request != before.request:
        raise InvalidInput(
            f"Expected version {contract.version} of contract {contract.id} to name the same request for data as the "
            "version before it; it names another.",
            next_step="amend without --request; another request leads to another contract",
        )


def mark_contracted(session: Session, request_id: str, contract: Contract, *, by: str) -> None:
    """The request has led to this contract; call it last in the transaction of the draft."""
    row = find_request_row(session, request_id, lock=True)
    step = REQUEST_WORKFLOW[RequestAction.CONTRACT]
    row.state = next_request_state(row.id, RequestState(row.state), RequestAction.CONTRACT).value
    row.contract_id = contract.id
    session.flush()
    facts: dict[str, Fact] = {"request": row.id, "version": contract.version, "sha256": contract.sha256}
    record(session, step.entry_kind, contract.id, facts, by=by)
