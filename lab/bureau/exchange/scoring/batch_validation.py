"""Validating a batch: parsed, authorised by its contract, its enterprises found in the register.

A batch is validated three times: on upload, before evaluation, and, if the contract requires consent, before its reply
leaves. ``revalidate`` runs with the contract locked, before anything is charged or stored. Every enterprise of a batch
must have a register row under the contract. Only a batch that is named again (``reevaluation``) is evaluated for those
that have one; the others are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest
from lab.bureau.contracts.repository import find_version
from lab.bureau.data.register import Snapshot, find_snapshot
from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.batches import BatchFacts, BatchRepository
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.public_contexts import context_not_stored, find_context, read_context
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed
from protocols.scoring.bureau import ParsedBatch, read_batch
from protocols.scoring.parameters import ParameterSet, find_parameters


@dataclass(frozen=True, slots=True)
class ValidatedBatch:
    """A validated batch, with all that its evaluation needs."""

    access: AccessGrant
    head: ParsedBatch
    snapshot: Snapshot
    context_file: str
    places: NDArray[np.int64]
    """int64 [scored], ascending: the rows of the batch whose enterprises are to be scored."""
    rows: NDArray[np.int64]
    """int64 [scored]: the register row of each of them."""
    is_charged: bool
    """Whether the batch is charged or answered already."""

    def keep(self, chosen: NDArray[np.bool_]) -> ValidatedBatch:
        """The batch for the enterprises ``chosen``, bool [scored]; the others are dropped."""
        return replace(self, places=self.places[chosen], rows=self.rows[chosen])

    @property
    def facts(self) -> BatchFacts:
        """What the ledger records about it."""
        model, snapshot = self.access.model_version, self.snapshot
        return BatchFacts(
            job=self.access.job.id,
            sha256=self.head.sha256,
            rows=self.head.rows,
            scored=len(self.places),
            register=snapshot.name,
            register_version=snapshot.version,
            model=model.name,
            model_version=model.version,
        )


class BatchValidator:
    """Validates batches. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources, indexes: ContractIndexes, batches: BatchRepository) -> None:
        self._store, self._home = resources.store, resources.home
        self._access, self._consents = resources.access, resources.consents
        self._models, self._indexes, self._batches = resources.models, indexes, batches
        self._drift = resources.drift

    def validate(
        self, contract_id: str, job_id: str, batch: bytes, sha256: str, now: datetime, *, named_again: bool = False
    ) -> ValidatedBatch:
        """Parse and authorise a batch frame whose digest is ``sha256``, without native code.

        ``named_again``: drop enterprises that have no row under the contract, unless none has one.

        Raises what ``AccessControl.authorise_request`` raises; ``InvalidInput`` for a parameter set that is not
        offered, and for a batch that does not parse or has other columns than the model; ``NotFound`` for a context
        that was not sent; ``NotAllowed`` for enterprises that have no row under the contract (with their number), a
        step that is too coarse for the parameter set, or a register too far from what the model was trained on.
        """
        with self._store.begin_read() as session:
            contract = find_version(session, contract_id).contract
            head = _read(batch, find_parameters(contract.parameters), contract_id, sha256)
            access = self._access.authorise_request(
                session, contract_id, Operation.SCORE, job_id, now, AccessRequest(rows=head.rows)
            )
            contract = access.contract
            context = find_context(session, contract_id, head.context)
            if context is None:
                raise context_not_stored()
            version = self._batches.register_version(session, contract_id, job_id, head.sha256)
            snapshot = find_snapshot(session, access.model_version.register, version)
            consenting = self._consents.consenting_rows(
                session, snapshot, contract, access.contract_version.bank_id, now
            )
            file = context.file
        if read_context(self._home, file, head.context) is None:
            raise context_not_stored()
        self._drift.require(access.model_version, snapshot)
        model = self._models.load(access.model_version)
        if head.column_count != model.column_count:
            raise InvalidInput(
                f"Expected {model.column_count} columns, as the model's sheet says; found {head.column_count}.",
                next_step="encrypt the columns of the job's sheet",
            )
        scope = MatchingKeyScope(contract_id, "match", contract.engine, access.job.epoch)
        rows = self._indexes.find_rows(IndexKey(scope, RowSelection(snapshot, consenting)), head.tags)
        known = find_known(rows)
        if not known.all() and not (named_again and known.any()):
            raise refuse_unknown(int((~known).sum()), len(known))
        limit = find_parameters(contract.parameters).value_limit
        if model.value_bound(access.detail, step=contract.ceilings.precision) > limit:
            raise NotAllowed(
                f"Contract {contract_id} asks for steps of {contract.ceilings.precision} quanta (term: precision); "
                "rounded so, the model's sums may not fit its parameter set.",
                next_step="ask the bureau to amend the contract with a smaller step",
            )
        places = np.flatnonzero(known).astype(np.int64)
        return ValidatedBatch(access, head, snapshot, file, places, rows[places], version is not None)

    def revalidate(self, session: Session, validated: ValidatedBatch, now: datetime) -> AccessGrant:
        """Check state, clauses and consents of a validated batch again, with the contract locked.

        Raises what ``AccessControl.authorise_request`` raises, and ``NotAllowed`` if an enterprise has withdrawn its
        consent.
        """
        contract_id, rows = validated.access.contract.id, validated.head.rows
        access = self._access.authorise_request(
            session, contract_id, Operation.SCORE, validated.access.job.id, now, AccessRequest(rows=rows), lock=True
        )
        consenting = self._consents.consenting_rows(
            session, validated.snapshot, access.contract, access.contract_version.bank_id, now
        )
        gone = 0 if consenting is None else int((~np.isin(validated.rows, consenting.rows)).sum())
        if gone:
            raise refuse_unknown(gone, len(validated.rows))
        return access


def _read(batch: bytes, params: ParameterSet, contract_id: str, sha256: str) -> ParsedBatch:
    try:
        return read_batch(batch, params, contract=contract_id, sha256=sha256)
    except ValueError as error:
        raise InvalidInput(f"The batch is not acceptable: {error}.", next_step="encrypt the batch again") from None


def find_known(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which enterprises have a register row under the contract: ``rows`` int64 [n], -1 for none."""
    return rows >= 0


def refuse_unknown(unknown: int, rows: int) -> NotAllowed:
    """The error for enterprises without a register row under the contract: ``unknown`` of ``rows``.

    They are not in the register, or have not consented. The message is the same for both, because the bank must not
    learn which.
    """
    return NotAllowed(
        f"{unknown} of {rows} enterprises in the batch are not in the register under this contract.",
        next_step="match afresh, and score what matched",
    )
