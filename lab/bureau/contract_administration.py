"""What officers do with contracts, each change in one transaction with its ledger entry.

Every method takes the person first and checks the role matrix. A refusal, by the matrix or by a rule of the workflow,
is recorded in the ledger too. This module is above ``contracts`` and ``exchange``, because suspending or ending a
contract stops its jobs in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lab.bureau.contracts import banks, lifecycle
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import (
    ContractDraft,
    build_contract,
    check_external_contract,
    find_contract_models,
    save_draft,
)
from lab.bureau.contracts.repository import (
    ContractVersion,
    current_state,
    find_newest_version,
    find_version,
    list_contracts,
    list_versions,
)
from lab.bureau.contracts.workflow import WORKFLOW, ContractState
from lab.bureau.data.catalogue import load_items
from lab.bureau.data.disclosure import meter_contract
from lab.bureau.data.register import find_snapshot
from lab.bureau.data.requests import (
    GrantedRequest,
    check_contract_fits,
    check_request_kept,
    feature_sources,
    find_granted_request,
    mark_contracted,
    prefill_options,
)
from lab.bureau.exchange.charges import allowance
from lab.bureau.exchange.delivered_results import ResultDelivery, list_deliveries
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.ledger import Fact, record
from lab.bureau.model_registry.registry import ModelCache, find_model
from lab.bureau.people import AccountService
from lab.bureau.people.permissions import AccountHolder, Permission
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow
from lab.bureau.watch import UsageFinding, UsageMonitor
from lab.terms.contract.document import Contract, SignedContract
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.metering import MeterAccount
from lab.terms.contract_steps import check_reason
from lab.terms.errors import Conflict, InvalidInput, NotAllowed
from lab.terms.keys.party import Party
from lab.terms.names import ModelRef
from models.shared.catalogue_words import SensitivityGrade


@dataclass(frozen=True, slots=True)
class ContractOverview:
    """A version of a contract, its state now, all versions (newest first), and its allowance."""

    contract_version: ContractVersion
    state: ContractState
    versions: tuple[tuple[ContractVersion, ContractState], ...]
    allowance: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContractStepResult:
    """The version after a step. If the step stops jobs: how many it stopped, and what had been delivered before, for
    the notice to the bank."""

    contract_version: ContractVersion
    stopped_jobs: int | None = None
    deliveries: tuple[ResultDelivery, ...] | None = None


class ContractAdministration:
    """What officers do and read. Safe to use from several threads.

    ``above`` is the grade above which a contract's items require two officers.
    """

    def __init__(
        self,
        store: Database,
        models: ModelCache,
        accounts: AccountService,
        bureau: Party,
        above: SensitivityGrade,
        clock: Callable[[], datetime],
        usage_monitor: UsageMonitor,
    ) -> None:
        self._store, self._models, self._accounts = store, models, accounts
        self._bureau, self._above, self._now = bureau, above, clock
        self._usage_monitor = usage_monitor

    def draft(
        self,
        person: AccountHolder,
        bank: Party | None,
        options: DraftOptions,
        *,
        submit: bool = False,
        fingerprint: str | None = None,
    ) -> ContractVersion:
        """Draft a contract with a bank; ``submit`` it at once if asked to.

        A bank whose key is new is registered, if ``fingerprint`` is the key's. With a granted request for data in the
        options, what they leave out comes from it, also the bank (None). Raises what ``register_bank`` raises, and
        ``InvalidInput``, ``NotFound`` or ``Conflict`` for options that no contract here can meet.
        """
        with self._recording_refusals(person, Permission.DRAFT_CONTRACTS, "draft"):
            now = self._now()
            with self._store.begin() as session:
                request = find_granted_request(session, options.request) if options.request is not None else None
                if request is not None:
                    options = prefill_options(request, options, _register_codes(session, request, options))
                bank = bank or banks.find_named_party(session, _organisation(request))
                contract_options = ContractOptions().with_changes(options)
                models = find_contract_models(session, self._models, _names(options.models))
                contract = build_contract(session, ContractDraft(self._bureau, bank, models, contract_options), now)
                if options.id_kind not in (None, contract.id_kind):
                    raise InvalidInput(
                        f"Expected a register of {options.id_kind} identifiers; the model's is of {contract.id_kind}.",
                        next_step="choose a model over another register",
                    )
                return self._store_draft(session, contract, person, submit, now, fingerprint, request)

    def amend(
        self, person: AccountHolder, contract_id: str, options: DraftOptions, *, submit: bool = False
    ) -> ContractVersion:
        """Draft the next version of a contract: the newest with these options changed, and the bank's present key.

        Without ``days`` its term ends as before. Raises ``Conflict`` if another version is still in progress.
        """
        with self._recording_refusals(person, Permission.DRAFT_CONTRACTS, "amend", contract_id):
            now = self._now()
            with self._store.begin() as session:
                last = find_newest_version(session, contract_id)
                before = last.contract
                names = _names(options.models) if options.models else [(m.name, m.version) for m in before.models]
                if options.days is None and now >= before.expires:
                    raise Conflict(
                        f"The term of contract {contract_id} is over.", next_step="say how long the next is: --days"
                    )
                draft = ContractDraft(
                    self._bureau,
                    banks.contract_party(session, last.bank_id),
                    find_contract_models(session, self._models, names),
                    ContractOptions.from_contract(before).with_changes(options),
                    amends=before,
                    expires=before.expires if options.days is None else None,
                )
                contract = build_contract(session, draft, now)
                check_request_kept(contract, before)
                return self._store_draft(session, contract, person, submit, now)

    def import_contract(
        self, person: AccountHolder, signed: SignedContract, *, fingerprint: str | None = None
    ) -> ContractVersion:
        """Store a contract that was written elsewhere as a draft of this person, without its signatures.

        ``fingerprint`` as in ``draft``. Raises ``InvalidInput`` unless it names this bureau and its models and items,
        ``Conflict`` if it is here already.
        """
        contract = signed.contract
        with self._recording_refusals(person, Permission.DRAFT_CONTRACTS, "import"), self._store.begin() as session:
            check_external_contract(session, contract, self._bureau, self._models)
            request = self._request_of_imported(session, contract)
            held = save_draft(
                session, contract, author=person, above=self._above, now=self._now(), fingerprint=fingerprint
            )
            facts: dict[str, Fact] = {"version": contract.version, "sha256": contract.sha256}
            if request is not None:
                mark_contracted(session, request.id, contract, by=person.actor)
            record(session, "contract.imported", contract.id, facts, by=person.actor)
            return held

    def take_step(
        self,
        person: AccountHolder,
        contract_id: str,
        action: str,
        *,
        version: int | None = None,
        reason: str | None = None,
    ) -> ContractStepResult:
        """Take a step of the workflow (``contracts.workflow``) with the version named, or with the newest that has it.

        Approving takes a version that is only submitted into review first, and names every version but the first. A
        step that stops or ends a contract stops its open jobs in the same transaction. Raises ``InvalidInput`` for an
        unknown step or a missing reason, ``NotAllowed``, ``NotFound``, and ``Conflict`` if the state has no such step.
        """
        reason = check_reason(action, reason)
        rule = WORKFLOW[action]
        with self._change(person, rule.permission, action, contract_id) as session:
            now = self._now()
            if action == "approve":
                return ContractStepResult(lifecycle.approve_version_read(session, contract_id, person, now, version))
            moved = lifecycle.take_step(session, contract_id, action, person, now, version, reason)
            return self._stop(session, moved, person) if rule.stops_jobs else ContractStepResult(moved)

    def list_contracts(
        self, person: AccountHolder, *, after: str | None = None, limit: int | None = None
    ) -> Sequence[tuple[ContractVersion, ContractState]]:
        """Contracts, newest first, with their states now; ``after`` and ``limit`` as ``repository.list_contracts``."""
        with self._read(person, Permission.READ_CONTRACTS, "list") as session:
            found = list_contracts(session, after=after, limit=limit)
            return [(held, current_state(held, self._now())) for held in found]

    def contract_overview(
        self, person: AccountHolder, contract_id: str, version: int | None = None
    ) -> ContractOverview:
        """One version of a contract (see ``repository.find_version``), all versions, and its allowance."""
        now = self._now()
        with self._read(person, Permission.READ_CONTRACTS, "show", contract_id) as session:
            held = find_version(session, contract_id, version)
            others = tuple((one, current_state(one, now)) for one in list_versions(session, contract_id))
            return ContractOverview(held, current_state(held, now), others, allowance(session, held.contract, now))

    def versions_to_compare(
        self, person: AccountHolder, contract_id: str, version: int | None = None
    ) -> tuple[ContractVersion | None, ContractVersion]:
        """A version (the newest, unless named) and the last one before it that the bureau approved, or None."""
        with self._read(person, Permission.READ_CONTRACTS, "diff", contract_id) as session:
            held = list_versions(session, contract_id)
            newer = find_version(session, contract_id, version) if version else held[0]
            older = [one for one in held if one.version < newer.version and one.signed.bureau_signature]
            return (older[0] if older else None), newer

    def export(self, person: AccountHolder, contract_id: str, version: int | None = None) -> SignedContract:
        """The signed document, for a file; the ledger records the export."""
        with self._change(person, Permission.READ_CONTRACTS, "export", contract_id) as session:
            held = find_version(session, contract_id, version)
            facts: dict[str, Fact] = {"version": held.version, "sha256": held.contract.sha256}
            record(session, "contract.exported", contract_id, facts, by=person.actor)
            return held.signed

    def list_deliveries(
        self, person: AccountHolder, contract_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[ResultDelivery]:
        """What left the bureau under a contract, over all versions, oldest first: after entry ``after``, at most
        ``limit``."""
        with self._read(person, Permission.READ_CONTRACTS, "delivered", contract_id) as session:
            find_version(session, contract_id)
            return [one for one in list_deliveries(session, contract_id) if one.entry > after][:limit]

    def meter(self, person: AccountHolder, contract_id: str, month: str | None = None) -> MeterAccount:
        """What was used under a contract, at its prices: in ``month`` (``YYYY-MM``) or in all."""
        with self._read(person, Permission.READ_CONTRACTS, "meter", contract_id) as session:
            return meter_contract(session, contract_id, self._now(), month)

    def monitoring_report(self, person: AccountHolder) -> tuple[Sequence[UsageFinding], Sequence[dict[str, Any]]]:
        """What looks like probing now, and the rules with this bureau's limits. Only an officer stops a contract."""
        with self._read(person, Permission.READ_FINDINGS, "watch") as session:
            return self._usage_monitor.current_findings(session), self._usage_monitor.rules

    def register_bank(self, person: AccountHolder, party: Party, *, fingerprint: str | None = None) -> str:
        """The bank's id; a new bank is registered, if ``fingerprint`` is its key's."""
        with self._change(person, Permission.REGISTER_BANKS, "register-bank") as session:
            return banks.register_bank(session, party, by=person.actor, now=self._now(), fingerprint=fingerprint)

    def _store_draft(
        self,
        session: Session,
        contract: Contract,
        person: AccountHolder,
        submit: bool,
        now: datetime,
        fingerprint: str | None = None,
        request: GrantedRequest | None = None,
    ) -> ContractVersion:
        if request is not None:
            check_contract_fits(contract, request, feature_sources(session))
        stored = save_draft(session, contract, author=person, above=self._above, now=now, fingerprint=fingerprint)
        if request is not None:
            mark_contracted(session, request.id, contract, by=person.actor)
        if not submit:
            return stored
        return lifecycle.take_step(session, contract.id, "submit", person, now, contract.version)

    def _request_of_imported(self, session: Session, contract: Contract) -> GrantedRequest | None:
        """The request that a first version from elsewhere carries out; a later version keeps that of the one before."""
        if contract.version > 1:
            check_request_kept(contract, find_newest_version(session, contract.id).contract)
        if contract.version > 1 or contract.request is None:
            return None
        request = find_granted_request(session, contract.request)
        check_contract_fits(contract, request, feature_sources(session))
        return request

    def _stop(self, session: Session, version: ContractVersion, person: AccountHolder) -> ContractStepResult:
        """Stop the contract's jobs unless a version is still active."""
        contract_id = version.contract.id
        row = session.get_one(ContractRow, contract_id)
        active = row.in_force is not None and find_version(session, contract_id).state is ContractState.ACTIVE
        jobs = 0 if active else stop_jobs(session, contract_id, self._now(), by=person.actor)
        return ContractStepResult(version, jobs, tuple(list_deliveries(session, contract_id)))

    @contextmanager
    def _change(
        self, person: AccountHolder, permission: Permission | None, operation: str, contract: str | None = None
    ) -> Iterator[Session]:
        with self._recording_refusals(person, permission, operation, contract), self._store.begin() as session:
            yield session

    @contextmanager
    def _read(
        self, person: AccountHolder, permission: Permission, operation: str, contract: str | None = None
    ) -> Iterator[Session]:
        with self._recording_refusals(person, permission, operation, contract), self._store.begin_read() as session:
            yield session

    @contextmanager
    def _recording_refusals(
        self, person: AccountHolder, permission: Permission | None, operation: str, contract: str | None = None
    ) -> Iterator[None]:
        """Check the permission (None: no person has it), and record a refusal in the ledger."""
        try:
            if permission is None:
                raise NotAllowed(f"No person may {operation} a contract.", next_step="see docs/contract-workflow.md")
            person.check_permission(permission)
            yield
        except NotAllowed as error:
            self._accounts.record_refusal(person, operation, error, contract)
            raise


def _organisation(request: GrantedRequest | None) -> str:
    if request is None:
        raise InvalidInput(
            "Expected a bank; found none.", next_step="give --bank-card CARD.json, or a granted request with --request"
        )
    return request.organisation


def _register_codes(session: Session, request: GrantedRequest, options: DraftOptions) -> set[str]:
    """The codes of the items in the register of the model that is asked for."""
    (name, version), *_ = _names(options.models or request.options.models)
    snapshot = find_snapshot(session, find_model(session, name, version, published=version is None).register)
    return {item.code for item in load_items(session, snapshot.name, snapshot.version).values()}


def _names(models: Sequence[str] | None) -> list[tuple[str, int | None]]:
    if not models:
        raise InvalidInput("A contract names at least one model.", next_step="give --model NAME")
    return [ModelRef.parse(model) for model in models]
