"""The bureau's office: the one door through which the service and the command line come in.

Everything here blocks and is safe to call from several threads. Refusals are written to the ledger here, in a
transaction of their own, because the refused one was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contract_administration import ContractAdministration
from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.banks import BankRegistry
from lab.bureau.contracts.workflow import FINAL_STATES, SIGNABLE_STATES
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import SnapshotReader
from lab.bureau.exchange import (
    AccessControl,
    BatchCharge,
    BatchOutcome,
    ContextStore,
    ContractJob,
    JobParameters,
    JobService,
    MatchingService,
    ScoringService,
)
from lab.bureau.exchange.access import bank_actor
from lab.bureau.exchange.charges import allowance
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.exchange.matching.background_work import BackgroundWork
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore
from lab.bureau.exchange.matching.index_store import ContractIndexes
from lab.bureau.exchange.matching.key_epochs import Epochs
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.required_evaluations import EvaluationPlanner
from lab.bureau.exchange.nonces import claim_nonce
from lab.bureau.exchange.retention import RetentionSweep, remove_ended_evaluations, sweep
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.seal_keys import FILE_SEAL, check_seal_source
from lab.bureau.ledger import BUREAU_ACTOR, LOCAL_ACTOR, record
from lab.bureau.ledger.cosignatures import CosigningService
from lab.bureau.ledger.log import Ledger
from lab.bureau.ledger.rate_limited_entries import close_tallies, record_or_count
from lab.bureau.ledger.settings_changes import record_configuration_change
from lab.bureau.model_registry.offers import ModelOffers
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.people import AccountService
from lab.bureau.store import Database, migrate, open_database
from lab.bureau.store.tables import ContractRow
from lab.bureau.watch import UsageMonitor
from lab.bureau.workers.pools import WorkerPools
from lab.terms.contract.document import SignedContract
from lab.terms.errors import NotAllowed, ShulabError, Unreachable
from lab.terms.keys.party import Party
from lab.terms.ledger.receipt import MatchReceipt, ScoreReceipt
from protocols.compute_pool import open_compute_pool
from protocols.matching.bureau import ENGINES
from protocols.scoring.parameters import PARAMETERS

API_VERSION = "1"


class Bureau:
    """An open bureau: its home, store, keys and rooms. Close it when done."""

    def __init__(self, home: BureauHome, store: Database, keys: BureauKeys, clock: Callable[[], datetime]) -> None:
        self.home, self.store, self.keys = home, store, keys
        self.now = clock
        self.people = AccountService(store, clock)
        self.banks = BankRegistry(store, keys.public_key_hex, clock)
        self.log = Ledger(store, lambda: self.party, keys.sign, clock)
        asked = home.settings.witnesses
        self.cosigning = CosigningService(store, self.log, keys.public_key_hex, keys.sign, asked, clock)
        self.snapshots = SnapshotReader(home)
        self.consents = ConsentService(store, home, keys, self.snapshots, clock)
        self.shelf = ModelCache(home)
        self.offers = ModelOffers(store, home)
        settings = home.settings
        self._preparation = BackgroundWork()
        self.evaluated = EvaluatedRegisterStore(
            store, home, keys, self.snapshots, lambda: open_compute_pool(settings.processes, settings.cluster)
        )
        self._pools = WorkerPools(settings)
        passage = AccessControl(self.shelf)
        self.needed = EvaluationPlanner(store, self.consents, self.evaluated, clock)
        self.epochs = Epochs(store, keys, self.needed, clock)
        self._reception = JobService(store, home, passage, self.epochs.current_epoch)
        self._contexts = ContextStore(store, home, self._pools.scoring, passage)
        indexes = ContractIndexes(home, self.snapshots, self.evaluated, KeyStatements(store, keys), self._preparation)
        self._matching = MatchingService(store, keys, indexes, passage, self.consents, self._pools.crew)
        rooms = (store, home, keys, self.snapshots, indexes, self._pools.evaluators, passage, self.consents)
        self._scoring = ScoringService(*rooms, self.shelf)
        self.watch = UsageMonitor(store, clock, settings.watch_limits)
        above = settings.two_officers_above
        self.desk = ContractAdministration(
            store, self.shelf, self.people, self.party, keys.sign, above, clock, self.watch
        )

    @classmethod
    def create(
        cls, home: Path, *, name: str, database_url: str = "", key_file: Path | None = None, seal: str = ""
    ) -> Bureau:
        """Make a bureau: folder, keys, database. Raises ``Conflict`` if one lives in ``home`` already."""
        check_seal_source(seal or FILE_SEAL)  # before there is half a bureau
        made = BureauHome.create(home, name=name, database_url=database_url, key_file=key_file, seal=seal)
        BureauKeys.create(made)
        return cls.open(home)

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        changes: Mapping[str, object] | None = None,
    ) -> Bureau:
        """Open the bureau in ``home`` and bring its database to the present tables.

        ``changes``: settings that are others as long as it is open.

        Raises ``NotFound`` (no bureau there), ``NotAuthentic`` (wrong seal key), ``Unreachable`` (database down).
        """
        found = BureauHome.open(home)
        if changes:
            found = replace(found, settings=found.settings.model_copy(update=dict(changes)))
        keys = BureauKeys.open(found)
        store = open_database(found.database_url)
        migrate(store.engine)
        store.sign, store.bureau_key = keys.sign, keys.public_key_hex
        bureau = cls(found, store, keys, clock)
        bureau.epochs.ensure_first_epoch()
        bureau.remove_legacy_evaluations()
        record_configuration_change(store, "bureau", found.settings, keys.hash_settings, by=LOCAL_ACTOR)
        return bureau

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers after their jobs and close the database."""
        self._preparation.close()
        self._pools.close()
        self.store.close()

    def check_workers(self) -> None:
        """See ``WorkerPools.check``."""
        self._pools.check_confinement()

    def start_workers(self) -> None:
        """See ``WorkerPools.warm``."""
        self._pools.start_workers()

    @property
    def party(self) -> Party:
        """The bureau as a party of contracts."""
        return Party(name=self.home.settings.name, public_key=self.keys.public_key_hex)

    def identity(self) -> dict[str, Any]:
        """The bureau's card: name, public key, engines, parameter sets, version of the interface."""
        return {
            "name": self.party.name,
            "public_key": self.party.public_key,
            "api": API_VERSION,
            "engines": list(ENGINES),
            "parameters": list(PARAMETERS),
        }

    def readiness(self) -> dict[str, Any]:
        """Whether the bureau can work now; raises ``Unreachable`` if the database does not answer."""
        if not self.store.is_reachable():
            raise Unreachable("The bureau's database does not answer.", next_step="start it, or correct database_url")
        return {"ready": True, "database": self.store.engine.dialect.name}

    def signed_contract(self, contract_id: str, version: int | None = None) -> tuple[SignedContract, str]:
        """A contract (the version in force, or else the newest, unless one is named) and its state; a term that is
        over reads as expired. Raises ``NotFound``."""
        with self.store.begin_read() as session:
            held = lifecycle.find_version(session, contract_id, version)
        return held.signed, lifecycle.current_state(held, self.now()).value

    def versions(self, contract_id: str) -> list[dict[str, Any]]:
        """Every version of a contract, newest first: number, state, hash, who has signed. Raises ``NotFound``."""
        with self.store.begin_read() as session:
            found = lifecycle.list_versions(session, contract_id)
        return [
            {
                "version": held.version,
                "state": lifecycle.current_state(held, self.now()).value,
                "sha256": held.contract.sha256,
                "signable": lifecycle.current_state(held, self.now()) in SIGNABLE_STATES,
                "signed_by_bank": held.signed.bank_signature is not None,
                "signed_by_bureau": held.signed.bureau_signature is not None,
            }
            for held in found
        ]

    def accept_signature(self, contract_id: str, signature: str, version: int | None = None) -> str:
        """Keep the bank's countersignature of a version (the newest that takes one); the state after it.

        Raises ``NotFound``, ``NotAuthentic`` or ``Conflict``.
        """
        with self.store.begin() as session:
            by = bank_actor(lifecycle.find_version(session, contract_id))
            held = lifecycle.accept_bank_signature(session, contract_id, signature, self.now(), by, version)
        return lifecycle.current_state(held, self.now()).value

    def sheet(self, contract_id: str, model: str | None = None, version: int | None = None) -> bytes:
        """The sheet of a model under a contract in force: the first it allows, unless one is named."""
        with self._refusals(contract_id, "sheet"):
            return self._reception.sheet(contract_id, model, version, self.now())

    def register(self, contract_id: str, model: str | None = None, version: int | None = None) -> dict[str, Any]:
        """Name and version of the register that a model under a contract in force is evaluated with now."""
        with self._refusals(contract_id, "register"):
            snapshot = self._reception.register(contract_id, model, version, self.now())
        return {"name": snapshot.name, "version": snapshot.version}

    def allowance(self, contract_id: str) -> dict[str, Any]:
        """What is used and left, for both sides; see ``exchange.charges.allowance``."""
        with self.store.begin_read() as session:
            return allowance(session, lifecycle.find_version(session, contract_id).contract, self.now())

    def open_job(self, contract_id: str, job_id: str, terms: JobParameters) -> ContractJob:
        """Open a job, or the same one again."""
        with self._refusals(contract_id, "open-job"):
            return self._reception.open_job(contract_id, job_id, terms, self.now())

    def job(self, contract_id: str, job_id: str) -> ContractJob:
        """A job as it stands; raises ``NotFound``."""
        return self._reception.job(contract_id, job_id)

    def end_job(self, contract_id: str, job_id: str) -> ContractJob:
        """The bank is done with a job; raises ``NotFound``."""
        return self._reception.end_job(contract_id, job_id, self.now())

    def matching_setup(self, contract_id: str, job_id: str, *, counting: bool = False) -> bytes:
        """The manifest of the matching set-up; raises ``Busy`` while a large register is prepared."""
        with self._refusals(contract_id, "matching-setup"):
            return self._matching.setup(contract_id, job_id, self.now(), counting=counting)

    def matching_shard(self, contract_id: str, job_id: str, sha256: str, first: int, count: int) -> bytes:
        """Buckets of a set-up."""
        with self._refusals(contract_id, "matching-setup"):
            return self._matching.shard(contract_id, job_id, sha256, first, count, self.now())

    def matching_delta(self, contract_id: str, job_id: str, sha256: str, since: str) -> bytes:
        """What leads from an earlier set-up of the contract to the present one."""
        with self._refusals(contract_id, "matching-setup"):
            return self._matching.delta(contract_id, job_id, sha256, since, self.now())

    def match(self, contract_id: str, job_id: str, body: bytes) -> tuple[bytes, MatchReceipt]:
        """The answer to a matching request frame, and the receipt."""
        with self._refusals(contract_id, "match"):
            answered = self._matching.evaluate_identifiers(contract_id, job_id, body, self.now())
        return answered.reply, self.log.receipt(answered.entry, MatchReceipt)

    def count_matches(self, contract_id: str, job_id: str, body: bytes) -> tuple[bytes, MatchReceipt]:
        """The answer to a counting request frame, in an order that tells nothing, and the receipt."""
        with self._refusals(contract_id, "count"):
            answered = self._matching.evaluate_identifiers(contract_id, job_id, body, self.now(), counting=True)
        return answered.reply, self.log.receipt(answered.entry, MatchReceipt)

    def put_context(self, contract_id: str, job_id: str, sha256: str, body: bytes) -> bool:
        """Keep a public context frame; True if it is new."""
        with self._refusals(contract_id, "put-context"):
            return self._contexts.put(contract_id, job_id, sha256, body, self.now())

    def has_context(self, contract_id: str, job_id: str, sha256: str) -> bool:
        """Whether a context is held."""
        with self._refusals(contract_id, "has-context"):
            return self._contexts.has(contract_id, job_id, sha256, self.now())

    def job_progress(self, contract_id: str, job_id: str) -> dict[str, Any]:
        """A job as it stands, and its batches by state; raises ``NotFound``."""
        return self.job(contract_id, job_id).as_dict() | {"batches": self._scoring.count_by_state(contract_id, job_id)}

    def check_queue_capacity(self, contract_id: str, job_id: str, sha256: str) -> None:
        """Raise ``Busy`` when a new batch of the contract would not be taken now."""
        self._scoring.check_queue_capacity(contract_id, job_id, sha256)

    def receive_batch(self, contract_id: str, job_id: str, body: bytes) -> BatchCharge:
        """Keep and charge a batch frame, to be evaluated."""
        with self._refusals(contract_id, "score"):
            return self._scoring.receive(contract_id, job_id, body, self.now())

    def receive_rescoring(self, contract_id: str, job_id: str, sha256: str) -> BatchCharge:
        """Charge a batch that an earlier job sent, to be evaluated by what is new."""
        with self._refusals(contract_id, "score"):
            return self._scoring.receive_rescoring(contract_id, job_id, sha256, self.now())

    def evaluate_batch(self, contract_id: str, job_id: str, sha256: str) -> BatchOutcome:
        """Answer a charged batch, or give its charge back; see ``ScoringService.evaluate``."""
        outcome = self._scoring.evaluate(contract_id, job_id, sha256, self.now())
        if isinstance(outcome.error, NotAllowed):
            self.record_refusal(contract_id, "score", outcome.error)
        return outcome

    def batches_at_once(self) -> int:
        """See ``WorkerPools.batches_at_once``."""
        return self._pools.batches_at_once()

    def batch_reply(self, contract_id: str, job_id: str, sha256: str) -> tuple[bytes, ScoreReceipt] | None:
        """The reply frame to a batch that was received, and the receipt; None while it waits or is evaluated."""
        with self._refusals(contract_id, "score"):
            answered = self._scoring.reply(contract_id, job_id, sha256, self.now())
        return None if answered is None else (answered.reply, self.log.receipt(answered.entry, ScoreReceipt))

    def waiting_batches(self) -> list[BatchCharge]:
        """Every batch that is charged and not yet answered, the oldest first."""
        return self._scoring.list_waiting()

    def score(self, contract_id: str, job_id: str, body: bytes) -> tuple[bytes, ScoreReceipt]:
        """The reply frame to a batch frame, and the receipt, in one go."""
        with self._refusals(contract_id, "score"):
            answered = self._scoring.score(contract_id, job_id, body, self.now())
        return answered.reply, self.log.receipt(answered.entry, ScoreReceipt)

    def remove_legacy_evaluations(self) -> None:
        """Remove what a former version evaluated under keys that all contracts shared; it would be of no use."""
        epochs = self.evaluated.remove_legacy()
        if epochs:
            with self.store.begin() as session:
                record(session, "retention.swept", None, {"evaluated_for_all_contracts": epochs}, by=LOCAL_ACTOR)

    def sweep(self) -> RetentionSweep:
        """What time asks for: terms that are over are recorded, what was kept for its time is removed, and what the
        watch finds is recorded."""
        now = self.now()
        with self.store.begin_read() as session:
            held = lifecycle.list_contracts(session)
        for one in held:
            if one.state not in FINAL_STATES and now >= one.contract.expires:
                with self.store.begin() as session:
                    self._note_expiry(session, one.contract.id)
        self.epochs.destroy_closing()
        self.consents.record_expiry()
        swept = sweep(self.store, self.home, now)
        remove_ended_evaluations(self.store, self.evaluated, now)
        close_tallies(self.store, now)
        self.watch.record_new_findings()
        return swept

    def claim_nonce(self, key: str, nonce: str, now: datetime) -> None:
        """Remember the nonce of a signed request; raises ``NotAuthentic`` if it was used before."""
        claim_nonce(self.store, key, nonce, now)

    def record_refusal(self, contract_id: str, operation: str, error: ShulabError) -> None:
        """Write down that a bank was refused, also outside this office, for example when it repeats a request."""
        about = {"operation": operation, "error": error.code}
        facts = about | {"detail": error.detail}
        with self.store.begin() as session:  # by itself: who counts refusals must not hold the ledger's lock already
            # The id comes from a stranger; only one that exists goes into the ledger as such.
            row = session.get(ContractRow, contract_id)
            if row is not None:
                self._note_expiry(session, contract_id)
        known, by = (None, BUREAU_ACTOR) if row is None else (contract_id, f"bank:{row.bank_id}")
        with self.store.begin() as session:
            record_or_count(session, "refused", known, facts, by=by, about=about, now=self.now())

    def _note_expiry(self, session: Session, contract_id: str) -> None:
        if lifecycle.record_expiry(session, contract_id, self.now()):
            stop_jobs(session, contract_id, self.now(), by=BUREAU_ACTOR)

    @contextmanager
    def _refusals(self, contract_id: str, operation: str) -> Iterator[None]:
        try:
            yield
        except NotAllowed as error:
            self.record_refusal(contract_id, operation, error)
            raise
