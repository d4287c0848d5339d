"""The officers' desk: whatever a person does with contracts, each in one transaction with its ledger entry.

Every method takes the person first and holds them against the role matrix; what is refused, by the matrix or by a rule
of the workflow, is written to the ledger as well. It stands above contracts and exchange, because to suspend or to end
a contract stops its jobs in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lab.bureau.configuration.item_grades import SensitivityGrade
from lab.bureau.contracts import banks, lifecycle
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import build_contract, check_external_contract, find_contract_models, save_draft
from lab.bureau.contracts.lifecycle import ContractVersion
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.exchange.charges import allowance
from lab.bureau.exchange.delivered_results import Delivery, list_deliveries
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.ledger import Fact, record
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.people import AccountService
from lab.bureau.people.permissions import AccountHolder, Permission
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow
from lab.bureau.watch import UsageFinding, UsageMonitor
from lab.terms.contract.document import Contract, SignedContract
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import Conflict, InvalidInput, NotAllowed
from lab.terms.keys.party import Party
from lab.terms.names import ModelRef


@dataclass(frozen=True, slots=True)
class ContractOverview:
    """A version of a contract, its standing now, all versions (newest first), and what is used and left."""

    contract_version: ContractVersion
    state: ContractState
    versions: tuple[tuple[ContractVersion, ContractState], ...]
    allowance: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContractStopResult:
    """What a suspension or an end left: the version, how many jobs were stopped, and what had been delivered before,
    for the notice that must follow."""

    contract_version: ContractVersion
    stopped_jobs: int
    deliveries: tuple[Delivery, ...]


class ContractAdministration:
    """What officers do and look at. Safe to use from several threads."""

    def __init__(
        self,
        store: Database,
        shelf: ModelCache,
        people: AccountService,
        bureau: Party,
        sign: Callable[[bytes], bytes],
        above: SensitivityGrade,
        clock: Callable[[], datetime],
        watch: UsageMonitor,
    ) -> None:
        self._store, self._shelf, self._people = store, shelf, people
        self._bureau, self._sign, self._above, self._now = bureau, sign, above, clock
        self._watch = watch

    def draft(
        self, person: AccountHolder, bank: Party, wishes: DraftOptions, *, submit: bool = False, told: str | None = None
    ) -> ContractVersion:
        """Draft a contract with a bank; hand it in at once if asked to.

        A bank whose key is new is registered by it, if ``told`` is its fingerprint. Raises what ``banks.register``
        raises, and ``InvalidInput``, ``NotFound`` or ``Conflict`` for wishes that no contract here can meet.
        """
        with self._at_work(person, Permission.DRAFT_CONTRACTS, "draft"):
            choices = ContractOptions().with_changes(wishes)
            now = self._now()
            with self._store.begin() as session:
                works = find_contract_models(session, self._shelf, _names(wishes.models))
                contract = build_contract(session, self._bureau, bank, works, choices, now)
                if wishes.id_kind not in (None, contract.id_kind):
                    raise InvalidInput(
                        f"Wanted a register of {wishes.id_kind} identifiers; the model's holds {contract.id_kind}.",
                        next_step="choose a model over another register",
                    )
                return self._keep(session, contract, person, submit, now, told)

    def amend(
        self, person: AccountHolder, contract_id: str, wishes: DraftOptions, *, submit: bool = False
    ) -> ContractVersion:
        """Draft the next version of a contract: as its newest, but for the wishes, and with the bank's present key.

        Without wished days its term ends as it did. Raises ``Conflict`` if another version is still on its way.
        """
        with self._at_work(person, Permission.DRAFT_CONTRACTS, "amend", contract_id):
            now = self._now()
            with self._store.begin() as session:
                last = lifecycle.find_newest_version(session, contract_id)
                before = last.contract
                names = _names(wishes.models) if wishes.models else [(m.name, m.version) for m in before.models]
                if wishes.days is None and now >= before.expires:
                    raise Conflict(
                        f"The term of contract {contract_id} is over.", next_step="say how long the next is: --days"
                    )
                contract = build_contract(
                    session,
                    self._bureau,
                    banks.contract_party(session, last.bank_id),
                    find_contract_models(session, self._shelf, names),
                    ContractOptions.from_contract(before).with_changes(wishes),
                    now,
                    amends=before,
                    expires=before.expires if wishes.days is None else None,
                )
                return self._keep(session, contract, person, submit, now)

    def import_contract(
        self, person: AccountHolder, signed: SignedContract, *, told: str | None = None
    ) -> ContractVersion:
        """File a contract that was written elsewhere as a draft of this person; its signatures are not taken over.

        ``told`` as in ``draft``. Raises ``InvalidInput`` unless it is of this bureau and over what it holds,
        ``Conflict`` if it is here already.
        """
        contract = signed.contract
        with self._at_work(person, Permission.DRAFT_CONTRACTS, "import"), self._store.begin() as session:
            check_external_contract(session, contract, self._bureau, self._shelf)
            held = save_draft(session, contract, author=person, above=self._above, now=self._now(), told=told)
            facts: dict[str, Fact] = {"version": contract.version, "sha256": contract.sha256}
            record(session, "contract.imported", contract.id, facts, by=person.actor)
            return held

    def submit(self, person: AccountHolder, contract_id: str, version: int | None = None) -> ContractVersion:
        """Hand a draft in."""
        with self._change(person, Permission.DRAFT_CONTRACTS, "submit", contract_id) as session:
            return lifecycle.submit(session, contract_id, person, self._now(), version)

    def return_to_author(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractVersion:
        """Return a version to its author."""
        with self._change(person, Permission.REVIEW_CONTRACTS, "return", contract_id) as session:
            return lifecycle.return_to_author(session, contract_id, person, reason, self._now(), version)

    def start_review(self, person: AccountHolder, contract_id: str, version: int | None = None) -> ContractVersion:
        """Take a version into review."""
        with self._change(person, Permission.REVIEW_CONTRACTS, "review", contract_id) as session:
            return lifecycle.start_review(session, contract_id, person, self._now(), version)

    def approve(self, person: AccountHolder, contract_id: str, version: int | None = None) -> ContractVersion:
        """Approve a version; one that is only submitted is taken into review first.

        From the second version on it must be named: its author could otherwise put another in the place of the one
        that this officer has read, between the reading and the approval. Raises ``InvalidInput`` if it is not.
        """
        with self._change(person, Permission.APPROVE_CONTRACTS, "approve", contract_id) as session:
            now = self._now()
            last = (
                lifecycle.find_version(session, contract_id, version)
                if version
                else lifecycle.find_newest_version(session, contract_id)
            )
            if version is None and last.version > 1:
                raise InvalidInput(
                    f"Wanted the version that you have read; contract {contract_id} has {last.version} of them.",
                    next_step=f"read it (`lab officer show {contract_id}`), and approve it by its number: --version",
                )
            if last.state is ContractState.SUBMITTED:
                person.check_permission(Permission.REVIEW_CONTRACTS)
                lifecycle.start_review(session, contract_id, person, now, last.version)
            # By its number in any case: another may have taken its place since it was looked up.
            return lifecycle.approve(session, contract_id, person, self._sign, now, last.version)

    def reject(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractVersion:
        """Turn a version down."""
        with self._change(person, Permission.REVIEW_CONTRACTS, "reject", contract_id) as session:
            return lifecycle.reject(session, contract_id, person, reason, self._now(), version)

    def suspend(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractStopResult:
        """Stop everything under a contract; its open jobs stop with it."""
        with self._change(person, Permission.SUSPEND_CONTRACTS, "suspend", contract_id) as session:
            held = lifecycle.suspend(session, contract_id, person, reason, self._now(), version)
            return self._stop(session, held, person)

    def resume(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractVersion:
        """Let a suspended contract go on; its bank opens its stopped jobs again."""
        with self._change(person, Permission.SUSPEND_CONTRACTS, "resume", contract_id) as session:
            return lifecycle.resume(session, contract_id, person, reason, self._now(), version)

    def revoke(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractStopResult:
        """End a contract before its term; its open jobs stop with it."""
        with self._change(person, Permission.REVOKE_CONTRACTS, "revoke", contract_id) as session:
            held = lifecycle.revoke(session, contract_id, person, reason, self._now(), version)
            return self._stop(session, held, person)

    def retire(
        self, person: AccountHolder, contract_id: str, reason: str, version: int | None = None
    ) -> ContractStopResult:
        """Give up a draft, or the version in force, whose open jobs stop with it."""
        with self._change(person, Permission.REVOKE_CONTRACTS, "retire", contract_id) as session:
            held = lifecycle.retire(session, contract_id, person, reason, self._now(), version)
            return self._stop(session, held, person)

    def list_contracts(self, person: AccountHolder) -> Sequence[tuple[ContractVersion, ContractState]]:
        """Every contract, newest first, with its standing."""
        with self._look(person, Permission.READ_CONTRACTS, "list") as session:
            return [(held, lifecycle.current_state(held, self._now())) for held in lifecycle.list_contracts(session)]

    def contract_overview(
        self, person: AccountHolder, contract_id: str, version: int | None = None
    ) -> ContractOverview:
        """One version of a contract (see ``cabinet.find``) and all there is to say of it."""
        now = self._now()
        with self._look(person, Permission.READ_CONTRACTS, "show", contract_id) as session:
            held = lifecycle.find_version(session, contract_id, version)
            others = tuple(
                (one, lifecycle.current_state(one, now)) for one in lifecycle.list_versions(session, contract_id)
            )
            return ContractOverview(
                held, lifecycle.current_state(held, now), others, allowance(session, held.contract, now)
            )

    def versions_to_compare(
        self, person: AccountHolder, contract_id: str, version: int | None = None
    ) -> tuple[ContractVersion | None, ContractVersion]:
        """A version (the newest, unless named) and the last one before it that the bureau approved, or None."""
        with self._look(person, Permission.READ_CONTRACTS, "diff", contract_id) as session:
            held = lifecycle.list_versions(session, contract_id)
            newer = lifecycle.find_version(session, contract_id, version) if version else held[0]
            older = [one for one in held if one.version < newer.version and one.signed.bureau_signature]
            return (older[0] if older else None), newer

    def export(self, person: AccountHolder, contract_id: str, version: int | None = None) -> SignedContract:
        """The signed document, to be written to a file; recorded."""
        with self._change(person, Permission.READ_CONTRACTS, "export", contract_id) as session:
            held = lifecycle.find_version(session, contract_id, version)
            facts: dict[str, Fact] = {"version": held.version, "sha256": held.contract.sha256}
            record(session, "contract.exported", contract_id, facts, by=person.actor)
            return held.signed

    def list_deliveries(self, person: AccountHolder, contract_id: str) -> Sequence[Delivery]:
        """What left the bureau under a contract so far, over all versions, oldest first."""
        with self._look(person, Permission.READ_CONTRACTS, "delivered", contract_id) as session:
            lifecycle.find_version(session, contract_id)
            return list_deliveries(session, contract_id)

    def monitoring_report(self, person: AccountHolder) -> tuple[Sequence[UsageFinding], Sequence[dict[str, Any]]]:
        """What looks like probing now, and the rules with this bureau's limits. It stops nothing: an officer does."""
        with self._look(person, Permission.READ_FINDINGS, "watch") as session:
            return self._watch.current_findings(session), self._watch.rules

    def register_bank(self, person: AccountHolder, party: Party, *, told: str | None = None) -> str:
        """The id of the bank of this card, registered now if it is new and ``told`` is its key's fingerprint."""
        with self._change(person, Permission.REGISTER_BANKS, "register-bank") as session:
            return banks.register_bank(session, party, by=person.actor, now=self._now(), told=told)

    def _keep(
        self,
        session: Session,
        contract: Contract,
        person: AccountHolder,
        submit: bool,
        now: datetime,
        told: str | None = None,
    ) -> ContractVersion:
        held = save_draft(session, contract, author=person, above=self._above, now=now, told=told)
        return lifecycle.submit(session, contract.id, person, now, contract.version) if submit else held

    def _stop(self, session: Session, held: ContractVersion, person: AccountHolder) -> ContractStopResult:
        """Stop the jobs of a contract of which nothing is in force any more."""
        contract_id = held.contract.id
        row = session.get_one(ContractRow, contract_id)
        running = (
            row.in_force is not None and lifecycle.find_version(session, contract_id).state is ContractState.ACTIVE
        )
        jobs = 0 if running else stop_jobs(session, contract_id, self._now(), by=person.actor)
        return ContractStopResult(held, jobs, tuple(list_deliveries(session, contract_id)))

    @contextmanager
    def _change(
        self, person: AccountHolder, permission: Permission, operation: str, contract: str | None = None
    ) -> Iterator[Session]:
        with self._at_work(person, permission, operation, contract), self._store.begin() as session:
            yield session

    @contextmanager
    def _look(
        self, person: AccountHolder, permission: Permission, operation: str, contract: str | None = None
    ) -> Iterator[Session]:
        with self._at_work(person, permission, operation, contract), self._store.begin_read() as session:
            yield session

    @contextmanager
    def _at_work(
        self, person: AccountHolder, permission: Permission, operation: str, contract: str | None = None
    ) -> Iterator[None]:
        try:
            person.check_permission(permission)
            yield
        except NotAllowed as error:
            self._people.record_refusal(person, operation, error, contract)
            raise


def _names(models: Sequence[str] | None) -> list[tuple[str, int | None]]:
    if not models:
        raise InvalidInput("A contract names at least one model.", next_step="give --model NAME")
    return [ModelRef.parse(model) for model in models]
