"""The way of a batch to its evaluation: read, let through by its contract, its enterprises found in the register.

It is gone when a batch is received, when it is evaluated and, where consent is required, when its reply is given; what
was let through once is let through again, with the contract locked, before anything is charged or kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lab.bureau.contracts.lifecycle import find_version
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import Snapshot, find_snapshot
from lab.bureau.exchange.access import AccessControl, AccessGrant
from lab.bureau.exchange.batches import BatchFacts, BatchRepository
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.exchange.scoring.public_contexts import find_context
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.store import Database
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from protocols.scoring.bureau import ParsedBatch, read_batch
from protocols.scoring.parameters import ParameterSet, find_parameters


@dataclass(frozen=True, slots=True)
class ValidatedBatch:
    """A batch that was let through, and all that its evaluation needs."""

    access: AccessGrant
    head: ParsedBatch
    snapshot: Snapshot
    context_file: str
    rows: NDArray[np.int64]
    """The register row of each enterprise of the batch."""
    is_charged: bool
    """Whether the batch is charged or answered already."""

    @property
    def facts(self) -> BatchFacts:
        """What the ledger says of it."""
        shelved, snapshot = self.access.model_version, self.snapshot
        return BatchFacts(
            job=self.access.job.id,
            sha256=self.head.sha256,
            rows=self.head.rows,
            register=snapshot.name,
            register_version=snapshot.version,
            model=shelved.name,
            model_version=shelved.version,
        )


class BatchValidator:
    """Lets batches through."""

    def __init__(
        self,
        store: Database,
        indexes: ContractIndexes,
        passage: AccessControl,
        consents: ConsentService,
        shelf: ModelCache,
        batches: BatchRepository,
    ) -> None:
        self._store, self._indexes, self._passage = store, indexes, passage
        self._consents, self._shelf, self._batches = consents, shelf, batches

    def validate(self, contract_id: str, job_id: str, batch: bytes, sha256: str, now: datetime) -> ValidatedBatch:
        """Read a batch, whose digest is ``sha256``, and let it through, without native code.

        Raises what ``AccessControl.enter`` raises, ``InvalidInput`` for a contract whose parameter set is not offered
        and a batch that does not parse or has other columns than the model asks for, ``NotFound`` for a context that
        was not put, ``NotAllowed`` for enterprises that have no row under the contract (with their number) or a step
        that is too coarse for the parameter set.
        """
        with self._store.begin_read() as session:
            contract = find_version(session, contract_id).contract
            head = _read(batch, find_parameters(contract.parameters), contract_id, sha256)
            passed = self._passage.authorise_request(session, contract_id, Operation.SCORE, job_id, now, rows=head.rows)
            contract = passed.contract
            context = find_context(session, contract_id, head.context)
            if context is None:
                raise NotFound("The batch names a context that is not held here.", next_step="send the context first")
            version = self._batches.register_version(session, contract_id, job_id, head.sha256)
            snapshot = find_snapshot(session, passed.model_version.register, version)
            consenting = self._consents.consenting_rows(
                session, snapshot, contract, passed.contract_version.bank_id, now
            )
            file = context.file
        model = self._shelf.load(passed.model_version)
        if head.column_count != model.column_count:
            raise InvalidInput(
                f"Wanted {model.column_count} columns, as the model's sheet says; found {head.column_count}.",
                next_step="encrypt the columns of the job's sheet",
            )
        use = MatchingKeyScope(contract_id, "match", contract.engine, passed.job.epoch)
        which = IndexKey(use, RowSelection(snapshot, consenting))
        index = self._indexes.get_or_make(which)
        rows = index.find(head.tags)
        _check_known(rows)
        limit = find_parameters(contract.parameters).value_limit
        if model.value_bound(passed.detail, step=contract.ceilings.precision) > limit:
            raise NotAllowed(
                f"Contract {contract_id} asks for steps of {contract.ceilings.precision} quanta (term: precision); "
                "rounded so, the model's sums may not fit its parameter set.",
                next_step="ask the bureau to amend the contract with a smaller step",
            )
        return ValidatedBatch(passed, head, snapshot, file, rows, version is not None)

    def revalidate(self, session: Session, admitted: ValidatedBatch, now: datetime) -> AccessGrant:
        """What was let through is let through now as well, with the contract locked: state, terms and consents.

        Raises what ``AccessControl.enter`` raises, and ``NotAllowed`` if an enterprise has withdrawn its consent.
        """
        contract_id, rows = admitted.access.contract.id, admitted.head.rows
        passed = self._passage.authorise_request(
            session, contract_id, Operation.SCORE, admitted.access.job.id, now, rows=rows, lock=True
        )
        consenting = self._consents.consenting_rows(
            session, admitted.snapshot, passed.contract, passed.contract_version.bank_id, now
        )
        if consenting is not None:
            _check_known(np.where(np.isin(admitted.rows, consenting.rows), admitted.rows, -1))
        return passed


def _read(batch: bytes, params: ParameterSet, contract_id: str, sha256: str) -> ParsedBatch:
    try:
        return read_batch(batch, params, contract=contract_id, sha256=sha256)
    except ValueError as error:
        raise InvalidInput(f"The batch is not acceptable: {error}.", next_step="encrypt the batch again") from None


def _check_known(rows: NDArray[np.int64]) -> None:
    """Raise ``NotAllowed`` if an enterprise has no register row (-1): it is not there, or has not consented; the words
    are the same, because the bank is not to tell the two apart."""
    unknown = int((rows < 0).sum())
    if unknown:
        raise NotAllowed(
            f"{unknown} of {len(rows)} enterprises in the batch are not in the register under this contract.",
            next_step="match afresh, and score what matched",
        )
