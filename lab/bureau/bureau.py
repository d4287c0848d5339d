"""A whole bureau, opened from its folder: its services, composed. The service and the command line work with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lab.bureau.configuration.disk_room import check_room
from lab.bureau.configuration.home import BureauHome
from lab.bureau.contract_administration import ContractAdministration
from lab.bureau.contracts.bank_registry import BankRegistry
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.credit_repair import CreditRepairService
from lab.bureau.data.enterprises import EnterpriseViews
from lab.bureau.data.records import RecordStore
from lab.bureau.data.register import SnapshotReader
from lab.bureau.data.requests import DataRequestService
from lab.bureau.exchange import (
    AccessControl,
    BankContracts,
    ContextStore,
    ExchangeResources,
    JobService,
    MatchingService,
    ScoringService,
)
from lab.bureau.exchange.matching.background_work import BackgroundWork
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore
from lab.bureau.exchange.matching.index_store import ContractIndexes
from lab.bureau.exchange.matching.key_epochs import Epochs
from lab.bureau.exchange.matching.key_statements import KeyStatements
from lab.bureau.exchange.matching.required_evaluations import EvaluationPlanner
from lab.bureau.exchange.nonces import NonceStore
from lab.bureau.exchange.refusals import RefusalLog
from lab.bureau.exchange.retention import RetentionSweep, expire_contracts, remove_ended_evaluations, sweep
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.seal_keys import FILE_SEAL, check_seal_source
from lab.bureau.ledger import LOCAL_ACTOR, record
from lab.bureau.ledger.cosignatures import CosigningService
from lab.bureau.ledger.log import Ledger
from lab.bureau.ledger.rate_limited_entries import close_tallies
from lab.bureau.ledger.settings_changes import record_configuration_change
from lab.bureau.model_registry.drift_checks import ModelDriftChecks
from lab.bureau.model_registry.offers import ModelOffers
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.people import AccountService
from lab.bureau.store import Database, open_database, prepare_tables
from lab.bureau.store.migrate import check_schema
from lab.bureau.store.readiness import WriteCheck
from lab.bureau.watch import UsageMonitor
from lab.bureau.workers.pools import WorkerPools
from lab.terms.keys.party import Party
from protocols.compute_pool import open_compute_pool
from protocols.matching.bureau import ENGINES, WORKER_MODULES
from protocols.scoring.parameters import PARAMETERS

API_VERSION = "1"


class Bureau:
    """An open bureau: its home, database, keys, and services. Close it when done.

    Everything here blocks, and is safe to call from several threads.
    """

    def __init__(self, home: BureauHome, store: Database, keys: BureauKeys, clock: Callable[[], datetime]) -> None:
        settings = home.settings
        self.home, self.store, self.keys, self.now = home, store, keys, clock
        self.models, self.offers = ModelCache(home), ModelOffers(store, home)
        self.accounts = AccountService(store, clock)
        self.banks = BankRegistry(store, keys.public_key_hex, clock)
        self.ledger = Ledger(store, lambda: self.party, keys.sign, clock)
        self.cosignatures = CosigningService(
            store, self.ledger, keys.public_key_hex, keys.sign, settings.witnesses, clock
        )
        self.snapshots = SnapshotReader(home)
        self.drift = ModelDriftChecks(store, self.models, self.snapshots)
        self.records = RecordStore(home, store, keys)
        self.enterprises = EnterpriseViews(store, home, self.records, keys)
        self.consents = ConsentService(store, home, keys, self.snapshots, clock)
        self.repairs = CreditRepairService(store, home, self.records, clock)
        self.usage_monitor = UsageMonitor(store, clock, settings.watch_limits)
        self.contracts = ContractAdministration(
            store, self.models, self.accounts, self.party, settings.two_officers_above, clock, self.usage_monitor
        )
        self.requests = DataRequestService(store, home, self.accounts, current_catalogue, clock)
        self.bank_contracts, self.nonces = BankContracts(store, clock), NonceStore(store)
        self.refusals, self.workers = RefusalLog(store, clock), WorkerPools(settings)
        self.evaluated_registers = EvaluatedRegisterStore(
            store,
            home,
            keys,
            self.snapshots,
            lambda: open_compute_pool(settings.processes, settings.cluster, WORKER_MODULES),
        )
        self.evaluation_planner = EvaluationPlanner(store, self.consents, self.evaluated_registers, clock)
        self.epochs = Epochs(store, keys, self.evaluation_planner, clock)
        self._background, self._write_check = BackgroundWork(), WriteCheck(store, home.folder)
        statements = KeyStatements(store, keys)
        indexes = ContractIndexes(home, self.snapshots, self.evaluated_registers, statements, self._background)
        resources = ExchangeResources(
            store=store,
            home=home,
            keys=keys,
            ledger=self.ledger,
            models=self.models,
            snapshots=self.snapshots,
            consents=self.consents,
            access=AccessControl(self.models),
            refusals=self.refusals,
            drift=self.drift,
            clock=clock,
        )
        self.jobs = JobService(resources, self.epochs.current_epoch)
        self.contexts = ContextStore(resources, self.workers.scoring)
        self.matching = MatchingService(resources, indexes, self.workers.matching_pool)
        self.scoring = ScoringService(resources, indexes, self.workers.evaluators)

    @classmethod
    def create(
        cls, home: Path, *, name: str, database_url: str = "", key_file: Path | None = None, seal: str = ""
    ) -> Bureau:
        """Make a bureau: folder, keys, database. Raises ``Conflict`` if ``home`` has one already."""
        check_seal_source(seal or FILE_SEAL)  # before anything is made
        made = BureauHome.create(home, name=name, database_url=database_url, key_file=key_file, seal=seal)
        BureauKeys.create(made)
        store = open_database(made.database_url)
        try:
            prepare_tables(store.engine)
        finally:
            store.close()
        return cls.open(home)

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        changes: Mapping[str, object] | None = None,
    ) -> Bureau:
        """Open the bureau in ``home``; ``changes`` overrides settings while it is open.

        Raises ``NotFound`` (no bureau there, or its database is lost), ``NotAuthentic`` (wrong seal key),
        ``Unreachable`` (database down), ``Conflict`` (database of another version of the program).
        """
        found = BureauHome.open(home)
        if changes:
            found = replace(found, settings=found.settings.model_copy(update=dict(changes)))
        keys = BureauKeys.open(found)
        store = open_database(found.database_url, existing=True)
        try:
            check_schema(store.engine)
        except BaseException:
            store.close()
            raise
        store.sign, store.bureau_key = keys.sign, keys.public_key_hex
        bureau = cls(found, store, keys, clock)
        bureau.epochs.ensure_first_epoch()
        bureau._remove_legacy_evaluations()
        record_configuration_change(store, "bureau", found.settings, keys.hash_settings, by=LOCAL_ACTOR)
        return bureau

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers after their jobs and close the database."""
        self._background.close()
        self.workers.close()
        self.store.close()

    @property
    def party(self) -> Party:
        """The bureau as a party of contracts."""
        return Party(name=self.home.settings.name, public_key=self.keys.public_key_hex)

    def identity(self) -> dict[str, Any]:
        """The bureau's card: name, public key, engines, parameter sets, version of the API."""
        return {
            "name": self.party.name,
            "public_key": self.party.public_key,
            "api": API_VERSION,
            "engines": list(ENGINES),
            "parameters": list(PARAMETERS),
        }

    def readiness(self) -> dict[str, Any]:
        """Whether the bureau is ready; raises ``Unreachable`` or ``NoRoom`` if folder or database cannot be written."""
        check_room(self.home)
        self._write_check.run()
        return {"ready": True, "database": self.store.engine.dialect.name}

    def sweep(self) -> RetentionSweep:
        """Do what is due: record expired terms and consents, remove files after their retention, destroy the keys of
        closed epochs, and record what the usage monitor finds."""
        now = self.now()
        expire_contracts(self.store, now)
        self.epochs.destroy_closing()
        self.consents.record_expiry()
        swept = sweep(self.store, self.home, now)
        remove_ended_evaluations(self.store, self.evaluated_registers, now)
        close_tallies(self.store, now)
        self.usage_monitor.record_new_findings()
        return swept

    def _remove_legacy_evaluations(self) -> None:
        """Remove what an earlier version of this program evaluated under keys that all contracts shared."""
        epochs = self.evaluated_registers.remove_legacy()
        if epochs:
            with self.store.begin() as session:
                record(session, "retention.swept", None, {"evaluated_for_all_contracts": epochs}, by=LOCAL_ACTOR)
