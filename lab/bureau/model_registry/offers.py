"""Offers: what registered banks may know of the published models before they have a contract."""

from __future__ import annotations

import threading

from sqlalchemy import select

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.register import find_snapshot
from lab.bureau.model_registry.registry import PUBLISHED, ModelVersion, find_model, read_sheet
from lab.bureau.store import Database
from lab.bureau.store.tables import ModelRow
from lab.terms.contract.document import ResultDetail
from lab.terms.contract.model_offer import DetailCost, ModelOffer
from lab.terms.errors import NotFound
from models.shared.sheet import BankSheet
from protocols.matching.bureau import ENGINES
from protocols.scoring.parameters import PARAMETERS


class ModelOffers:
    """The published models, as banks may see them. Safe to use from several threads."""

    def __init__(self, store: Database, home: BureauHome) -> None:
        self._store, self._home = store, home
        self._lock = threading.Lock()
        self._sizes: dict[str, DetailCost] = {}

    def list_published(self) -> list[ModelOffer]:
        """Every published model version, the newest of each name first."""
        with self._store.begin_read() as session:
            published = session.execute(
                select(ModelRow.name, ModelRow.version)
                .where(ModelRow.state == PUBLISHED)
                .order_by(ModelRow.name, ModelRow.version.desc())
            ).all()
        return [self.find(name, version) for name, version in published]

    def find(self, name: str, version: int | None = None) -> ModelOffer:
        """One published model: that version, or the newest. Raises ``NotFound``, also for one not yet published."""
        with self._store.begin_read() as session:
            try:
                shelved = find_model(session, name, version, published=True)
            except NotFound:
                raise NotFound(
                    "The bureau offers no model of this name and version.",
                    next_step="list what it offers: GET /v1/offers, or ask the bureau",
                ) from None
            snapshot = find_snapshot(session, shelved.register)
        return ModelOffer(
            model=shelved.name,
            version=shelved.version,
            id_kind=snapshot.id_kind,
            register_entries=round_up_to_two_digits(snapshot.rows),
            details={ResultDetail(detail): self._size(shelved, ResultDetail(detail)) for detail in shelved.sheets},
            engines=tuple(ENGINES),
            parameters=tuple(PARAMETERS),
        )

    def _size(self, shelved: ModelVersion, detail: ResultDetail) -> DetailCost:
        """A published sheet never changes, so it is read once."""
        sha256 = shelved.sheets[detail.value]
        with self._lock:
            if sha256 not in self._sizes:
                sheet = BankSheet.from_json(read_sheet(self._home, shelved, detail))
                self._sizes[sha256] = DetailCost(columns=len(sheet.columns), outputs=len(sheet.outputs))
            return self._sizes[sha256]


def round_up_to_two_digits(count: int) -> int:
    """Rounded up to two digits, so that an offer does not tell of single enterprises that come or go."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step
