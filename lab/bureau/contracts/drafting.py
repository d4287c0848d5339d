"""Writing contracts from published models, their register, and the options that an officer chose."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy.orm import Session

from lab.bureau.configuration.item_grades import required_approvals
from lab.bureau.contracts.banks import register_bank
from lab.bureau.contracts.draft_clauses import ContractOptions, default_consent, default_operations
from lab.bureau.contracts.draft_storage import insert_draft
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.data.catalogue import load_items
from lab.bureau.data.register import find_snapshot
from lab.bureau.model_registry.registry import PUBLISHED, ModelCache, ModelVersion, find_model
from lab.bureau.people.permissions import AccountHolder
from lab.terms.contract.document import (
    Ceilings,
    ConsentClause,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    ReleaseForm,
    ResultDetail,
    contract_form,
    counts_only,
)
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.keys.party import Party
from models.bureau.model import Model
from models.shared.catalogue_words import SensitivityGrade
from protocols.matching.bureau import ENGINES, MIN_CANARIES, MIN_COUNT_IDENTIFIERS
from protocols.scoring.parameters import find_parameters


@dataclass(frozen=True, slots=True)
class ContractModel:
    """A model version that a contract will allow: its row and the model itself."""

    version: ModelVersion
    model: Model


def find_contract_models(
    session: Session, models: ModelCache, names: Iterable[tuple[str, int | None]]
) -> tuple[ContractModel, ...]:
    """The models of these names and versions (None: newest published); raises ``NotFound``."""
    found = [find_model(session, name, version, published=version is None) for name, version in names]
    return tuple(ContractModel(one, models.load(one)) for one in found)


@dataclass(frozen=True, slots=True)
class ContractDraft:
    """What a contract is written from: the parties, the models and the options.

    ``amends`` is the version that it follows; ``expires`` replaces the term in the options.
    """

    bureau: Party
    bank: Party
    models: Sequence[ContractModel]
    options: ContractOptions
    amends: Contract | None = None
    expires: datetime | None = None


def build_contract(session: Session, draft: ContractDraft, now: datetime) -> Contract:
    """Write a contract, or the next version of one; stores nothing.

    The items are those that the models read, in the form that a model's input needs, and those in ``options.forms``;
    none where only a count is chosen. Raises ``NotAllowed`` for an unpublished model, ``InvalidInput`` for a detail,
    engine, parameter set, item or clause that does not exist, and for a text that hides something.
    """
    candidates, options, amends = draft.models, draft.options, draft.amends
    register_name = _one_register(candidates)
    _check_known("engine", options.engine, ENGINES)
    find_parameters(options.parameters)
    snapshot = find_snapshot(session, register_name)
    known = {item.code for item in load_items(session, snapshot.name, snapshot.version).values()}
    starts = now.replace(microsecond=0)
    _check_step(candidates, options)
    operations = options.operations or default_operations(options.detail)
    models = tuple(_pin_model(candidate.version, options.detail) for candidate in candidates)
    _check_smallest_request(operations, options.ceilings)
    items = _no_items(options.forms) if counts_only(operations) else _items(candidates, options.forms, known)
    try:
        written = Contract(
            schema_=contract_form(options.prices, options.request),
            id=amends.id if amends else f"c-{starts:%Y%m%d}-{secrets.token_hex(4)}",
            version=amends.version + 1 if amends else 1,
            bureau=draft.bureau,
            bank=draft.bank,
            purpose=options.purpose,
            recipients=options.recipients,
            items=items,
            operations=operations,
            detail=options.detail,
            models=models,
            id_kind=snapshot.id_kind,
            engine=options.engine,
            parameters=options.parameters,
            ceilings=options.ceilings,
            consent=default_consent(operations) if options.consent == ConsentClause() else options.consent,
            retention_days=options.retention_days,
            witnesses=options.witnesses,
            prices=options.prices,
            request=options.request,
            starts=starts,
            expires=draft.expires or starts + timedelta(days=options.term_days),
        )
    except (ValidationError, OverflowError) as error:
        raise InvalidInput(
            f"Expected clauses that make a valid contract; these are not valid: {_reasons(error)}.",
            next_step="choose others",
        ) from None
    written.check_free_texts()
    return written


def save_draft(
    session: Session,
    contract: Contract,
    *,
    author: AccountHolder,
    above: SensitivityGrade,
    now: datetime,
    fingerprint: str | None = None,
) -> ContractVersion:
    """Store a contract as a draft of ``author``; a new bank is registered, if ``fingerprint`` is its key's.

    Contracts over items graded above ``above`` need two officers. Raises what ``register_bank`` and
    ``insert_draft`` raise.
    """
    bank_id = register_bank(session, contract.bank, by=author.actor, now=now, fingerprint=fingerprint)
    model = find_model(session, contract.models[0].name, contract.models[0].version)
    snapshot = find_snapshot(session, model.register)
    grades = {item.code: item.grade for item in load_items(session, snapshot.name, snapshot.version).values()}
    officers = required_approvals((grades.get(item.code, "") for item in contract.items), above)
    return insert_draft(session, contract, bank_id=bank_id, officers_needed=officers, author=author, now=now)


def draft_contract(
    session: Session,
    draft: ContractDraft,
    now: datetime,
    *,
    author: AccountHolder,
    above: SensitivityGrade = SensitivityGrade.INTERNAL,
    fingerprint: str | None = None,
) -> Contract:
    """Write a contract and store it as a draft; raises what ``build_contract`` and ``save_draft`` raise."""
    contract = build_contract(session, draft, now)
    save_draft(session, contract, author=author, above=above, now=now, fingerprint=fingerprint)
    return contract


def check_external_contract(session: Session, contract: Contract, bureau: Party, models: ModelCache) -> None:
    """Check a document that was written elsewhere against the bureau's models and items.

    Raises ``InvalidInput`` naming the clause unless bureau, models, sheets, items, identifiers, engine and parameters
    are those of this bureau.
    """
    candidates = find_contract_models(session, models, ((model.name, model.version) for model in contract.models))
    snapshot = find_snapshot(session, _one_register(candidates))
    _check_known("engine", contract.engine, ENGINES)
    find_parameters(contract.parameters)
    codes = {item.code for item in load_items(session, snapshot.name, snapshot.version).values()}
    _check_smallest_request(contract.operations, contract.ceilings)
    sheets = tuple(_pin_model(candidate.version, contract.detail) for candidate in candidates)
    for term, fits in (
        ("bureau", contract.bureau == bureau),
        ("models", contract.models == sheets),
        ("items", _are_items_known(contract, candidates, codes)),
        ("id_kind", contract.id_kind == snapshot.id_kind),
    ):
        if not fits:
            raise InvalidInput(
                f"Expected a contract over what this bureau has now; the clause differs from that (term: {term}).",
                next_step="draft it here with `lab officer draft`",
            )


def _are_items_known(contract: Contract, candidates: Sequence[ContractModel], codes: set[str]) -> bool:
    """Whether every item is in the catalogue, and every item that a model reads is in the contract as an input."""
    usable = {item.code for item in contract.items if item.form.allows(ReleaseForm.MODEL_INPUT_ONLY)}
    read = (
        set()
        if contract.counts_only
        else {item.code for candidate in candidates for item in candidate.model.public_items()}
    )
    return {item.code for item in contract.items} <= codes | read and read <= usable


def _one_register(candidates: Sequence[ContractModel]) -> str:
    if not candidates:
        raise InvalidInput("A contract names at least one model.", next_step="give --model NAME")
    for candidate in candidates:
        if candidate.version.state != PUBLISHED:
            raise NotAllowed(
                f"Model {candidate.version} is not published.", next_step=f"run `lab model publish {candidate.version}`"
            )
    registers = {candidate.version.register for candidate in candidates}
    if len(registers) != 1:
        raise InvalidInput(
            f"Expected models over one register; found {len(registers)}.", next_step="make a contract for each register"
        )
    return registers.pop()


def _pin_model(model: ModelVersion, detail: ResultDetail) -> PinnedModel:
    sheet = model.sheets.get(detail.value)
    if sheet is None:
        raise InvalidInput(
            f"Model {model} offers the details {', '.join(model.sheets)}, not {detail.value}.",
            next_step="choose another --detail",
        )
    return PinnedModel(name=model.name, version=model.version, sheet_sha256=sheet)


def _items(
    candidates: Sequence[ContractModel], forms: Mapping[str, ReleaseForm], known: set[str]
) -> tuple[ContractItem, ...]:
    read = {item.code for candidate in candidates for item in candidate.model.public_items()}
    if unknown := set(forms) - known - read:
        raise InvalidInput(f"Expected items of the catalogue; {len(unknown)} are not in it.", next_step="check --item")
    if any(not forms.get(code, ReleaseForm.MODEL_INPUT_ONLY).allows(ReleaseForm.MODEL_INPUT_ONLY) for code in read):
        raise InvalidInput(
            "An item that a model reads cannot have the form none.", next_step="choose another model, or another form"
        )
    return tuple(
        ContractItem(code=code, form=forms.get(code, ReleaseForm.MODEL_INPUT_ONLY))
        for code in sorted(read | set(forms))
    )


def _no_items(forms: Mapping[str, ReleaseForm]) -> tuple[ContractItem, ...]:
    if forms:
        raise InvalidInput(
            f"A contract that allows a count alone uses no item; {len(forms)} were named.",
            next_step="leave out --item, or name another --operation as well",
        )
    return ()


def _check_smallest_request(operations: Sequence[Operation], ceilings: Ceilings) -> None:
    """Where matching or counting is allowed, the smallest request must fit: its canaries count as identifiers.

    A count of a few identifiers would reveal each of them.
    """
    most = min(ceilings.identifiers, ceilings.identifiers_per_match)
    if {Operation.MATCH, Operation.COUNT} & set(operations) and most <= MIN_CANARIES:
        raise InvalidInput(
            f"A request has {MIN_CANARIES} canaries beside its identifiers, which count as identifiers; the "
            "ceilings leave "
            "no room (terms: identifiers, identifiers_per_match).",
            next_step=f"choose the portfolio's size and at least {MIN_CANARIES} more (`lab bank plan` says how many)",
        )
    if Operation.COUNT in operations and most < MIN_COUNT_IDENTIFIERS + MIN_CANARIES:
        raise InvalidInput(
            f"A count takes at least {MIN_COUNT_IDENTIFIERS} identifiers and {MIN_CANARIES} canaries; the "
            "ceilings allow fewer "
            "(terms: identifiers, identifiers_per_match).",
            next_step="choose higher ceilings, or leave out --operation count",
        )


def _check_step(candidates: Sequence[ContractModel], options: ContractOptions) -> None:
    """Sums rounded to the contract's step must fit the parameter set; scoring would refuse them."""
    step, limit = options.ceilings.precision, find_parameters(options.parameters).value_limit
    if any(candidate.model.value_bound(options.detail, step=step) > limit for candidate in candidates):
        raise InvalidInput(
            f"Expected a step that the models' sums fit; {step} quanta is too large (term: precision).",
            next_step="choose a smaller --precision",
        )


def _check_known(what: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise InvalidInput(
            f"Expected one of the {what} {', '.join(known)}; found another.", next_step=f"check --{what}"
        )


def _reasons(error: Exception) -> str:
    """The names of the clauses, or the rule of the contract, never a value."""
    found = set()
    for fault in getattr(error, "errors", lambda: [])():
        where = ".".join(str(part) for part in fault["loc"])
        found.add(where or str(fault["msg"]).removeprefix("Value error, "))
    return "; ".join(sorted(found)) or "the term"
