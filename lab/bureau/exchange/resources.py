"""What all services of the exchange share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import SnapshotReader
from lab.bureau.exchange.access import AccessControl
from lab.bureau.exchange.refusals import RefusalLog
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger.log import Ledger
from lab.bureau.model_registry.drift_checks import ModelDriftChecks
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.store import Database


@dataclass(frozen=True, slots=True)
class ExchangeResources:
    """The bureau's data, keys and checks, as the services of one open bureau use them."""

    store: Database
    home: BureauHome
    keys: BureauKeys
    ledger: Ledger
    models: ModelCache
    snapshots: SnapshotReader
    consents: ConsentService
    access: AccessControl
    refusals: RefusalLog
    drift: ModelDriftChecks
    clock: Callable[[], datetime]
