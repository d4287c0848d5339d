"""What the contracts in use need evaluated: for each contract and operation, the rows of its registers it may touch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import ContractVersion, find_version
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore, EvaluationSummary
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.ledger import BUREAU_ACTOR
from lab.bureau.model_registry.registry import find_model
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractVersionRow
from lab.terms.contract.document import Operation
from lab.terms.progress import SILENT, Progress
from protocols.matching.bureau import MatchingOperation as Kind

_IN_USE = ("approved", "active", "suspended")
"""States of a contract for which registers are evaluated ahead; for others, when they are asked for."""
_MATCHING = frozenset({Operation.MATCH, Operation.SCORE, Operation.PORTRAIT})


class EvaluationPlanner:
    """Looks through the contracts, and has evaluated what they need. Safe to use from several threads and processes."""

    def __init__(
        self,
        store: Database,
        consents: ConsentService,
        evaluated: EvaluatedRegisterStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._consents, self._evaluated, self._now = store, consents, evaluated, clock

    def prepare(
        self,
        epoch: int,
        progress: Progress = SILENT,
        *,
        register: str | None = None,
        contract: str | None = None,
        by: str = BUREAU_ACTOR,
    ) -> list[tuple[MatchingKeyScope, RowSelection, EvaluationSummary | None]]:
        """Have evaluated what is needed under the keys of ``epoch``, of one register or for one contract if named; what
        was made for each, None if it was there. Interrupted, it goes on where it stopped."""
        needed = self.required_evaluations(epoch, register=register, contract=contract)
        return [(use, extent, self._evaluated.evaluate(use, extent, progress, by=by)) for use, extent in needed]

    def remove_epoch(self, epoch: int) -> None:
        """Remove everything that was made under the keys of ``epoch``."""
        self._evaluated.remove_epoch(epoch)

    def required_evaluations(
        self, epoch: int, *, register: str | None = None, contract: str | None = None
    ) -> list[tuple[MatchingKeyScope, RowSelection]]:
        """What the contracts in use need under the keys of ``epoch``."""
        query = select(ContractVersionRow.contract_id).where(ContractVersionRow.state.in_(_IN_USE)).distinct()
        if contract is not None:
            query = query.where(ContractVersionRow.contract_id == contract)
        found: dict[tuple[MatchingKeyScope, str], RowSelection] = {}
        with self._store.begin_read() as session:
            for name in session.scalars(query.order_by(ContractVersionRow.contract_id)).all():
                for use, extent in self._of(session, find_version(session, name), epoch):
                    if register in (None, extent.snapshot.name):
                        found[use, extent.snapshot.name] = extent
        return [(use, extent) for (use, _), extent in found.items()]

    def _of(self, session: Session, held: ContractVersion, epoch: int) -> list[tuple[MatchingKeyScope, RowSelection]]:
        contract = held.contract
        kinds: list[Kind] = []
        if _MATCHING & set(contract.operations):
            kinds.append("match")
        if Operation.COUNT in contract.operations:
            kinds.append("count")
        registers = {find_model(session, model.name, model.version).register for model in contract.models}
        found = []
        for register in sorted(registers):
            snapshot = find_snapshot(session, register)
            admitted = self._consents.consenting_rows(session, snapshot, contract, held.bank_id, self._now())
            found += [
                (MatchingKeyScope(contract.id, kind, contract.engine, epoch), RowSelection(snapshot, admitted))
                for kind in kinds
            ]
        return found
