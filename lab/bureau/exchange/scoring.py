"""Scoring under a contract: public contexts, and batches that are charged once and answered once.

A batch goes: read (no native code) -> authorise -> tags to register rows -> charge, in the transaction of its ledger
entry -> the model's terms -> evaluation in a worker -> reply kept and recorded -> out. The same bytes again get the
same reply and no charge, also after a restart: replies are random, and two to one batch would tell more than one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lab.bureau.contracts import Ask, authorise
from lab.bureau.contracts.cabinet import find
from lab.bureau.exchange.batches import Batches
from lab.bureau.exchange.charges import charge_scores, return_scores
from lab.bureau.exchange.evaluated import EvaluatedRegisters
from lab.bureau.exchange.workers import WorkerPool
from lab.bureau.home import BureauHome, write_private
from lab.bureau.ledger import Fact, Receipt, record
from lab.bureau.register import Snapshot, Snapshots, find_snapshot
from lab.bureau.shelf import Shelf, Shelved, find_model, read_sheet
from lab.bureau.store import Store
from lab.bureau.store.tables import ContextRow
from lab.terms.contract import Contract, Operation
from lab.terms.errors import InvalidInput, NotFound, Refused, ShulabError
from protocols.scoring.bureau import BatchHead, SecretKeyFound, Terms, check_context, evaluate, read_batch
from protocols.scoring.params import PARAMETERS, ParameterSet


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch that was let through, and all that its evaluation needs."""

    contract: Contract
    head: BatchHead
    snapshot: Snapshot
    shelved: Shelved
    context_file: str
    rows: NDArray[np.int64]


class Scoring:
    """What a bank may ask in scoring. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        home: BureauHome,
        shelf: Shelf,
        snapshots: Snapshots,
        evaluated: EvaluatedRegisters,
        workers: WorkerPool,
    ) -> None:
        self._store, self._home, self._shelf = store, home, shelf
        self._snapshots, self._evaluated, self._workers = snapshots, evaluated, workers
        self._batches = Batches(home)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, str], tuple[threading.Lock, int]] = {}

    def sheet(self, contract_id: str, now: datetime) -> bytes:
        """The model's sheet, whose hash the contract pins. Raises what ``authorise`` raises."""
        with self._store.read() as session:
            contract = authorise(session, contract_id, Operation.SCORE, Ask(), now).contract
            shelved = find_model(session, contract.model.name, contract.model.version)
        content = read_sheet(self._home, shelved, contract.detail)
        if hashlib.sha256(content).hexdigest() != contract.model.sheet_sha256:
            raise Refused(
                f"The sheet of contract {contract_id} is not the one that was signed (term: model).",
                next_step="ask the bureau for a new contract",
            )
        return content

    def has_context(self, contract_id: str, sha256: str, now: datetime) -> bool:
        """Whether this context is held under the contract. Raises what ``authorise`` raises."""
        with self._store.read() as session:
            authorise(session, contract_id, Operation.SCORE, Ask(), now)
            return session.get(ContextRow, (contract_id, sha256)) is not None

    def put_context(self, contract_id: str, sha256: str, frame: bytes, now: datetime) -> bool:
        """Keep a public context; True if it is new, False if it was held already.

        It is parsed in a worker first. Raises what ``authorise`` raises, ``Refused`` for a context that bears a secret
        key (which is not kept), ``InvalidInput`` for a wrong hash, other parameters or anything else.
        """
        with self._store.read() as session:
            contract = authorise(session, contract_id, Operation.SCORE, Ask(), now).contract
            if session.get(ContextRow, (contract_id, sha256)) is not None:
                return False
        if hashlib.sha256(frame).hexdigest() != sha256:
            raise InvalidInput("The context's hash is not the one it was sent under.", next_step="send it again")
        try:
            self._workers.run(check_context, frame, PARAMETERS[contract.parameters])
        except SecretKeyFound as error:
            raise Refused(f"{_sentence(error)}.", next_step="make new keys at the bank; these are burnt") from None
        except ValueError as error:
            raise InvalidInput(
                f"The context is not acceptable: {error}.", next_step="send a context of the contract's parameters"
            ) from None
        file = f"contexts/{sha256}.frame"
        write_private(self._home.path(file), frame)
        with self._store.begin() as session:
            authorise(session, contract_id, Operation.SCORE, Ask(), now)
            if session.get(ContextRow, (contract_id, sha256)) is not None:
                return False
            row = ContextRow(contract_id=contract_id, sha256=sha256, file=file, size=len(frame), received_at=now)
            session.add(row)
            session.flush()
            record(session, "context.kept", contract_id, {"context_sha256": sha256, "bytes": len(frame)})
        return True

    def score(self, contract_id: str, batch: bytes, now: datetime) -> tuple[bytes, Receipt]:
        """The reply frame to a batch, and its receipt.

        Raises what ``authorise`` raises; ``Refused`` for enterprises that are not in the register or have reached their
        ceiling (with their number), ``NotFound`` for a context that was not put, ``InvalidInput`` for a batch that does
        not parse or evaluate.
        """
        digest = hashlib.sha256(batch).hexdigest()
        with self._alone(contract_id, digest):
            job = self._let_through(contract_id, batch, now)
            with self._store.begin() as session:
                authorise(session, contract_id, Operation.SCORE, Ask(rows=job.head.rows), now)
                answered = self._batches.answered(session, contract_id, digest)
                if answered is None and not self._batches.is_charged(session, contract_id, digest):
                    self._charge(session, job, now)
            if answered is not None:
                return answered
            try:
                reply = self._evaluate(job, batch)
            except Exception as error:
                self._give_back(job, error)
                raise
            return self._batches.keep_reply(self._store, job.contract, digest, reply, now)

    def _let_through(self, contract_id: str, batch: bytes, now: datetime) -> _Job:
        with self._store.read() as session:
            contract = find(session, contract_id).contract
            params = PARAMETERS[contract.parameters]
            head = _read(batch, params, contract_id)
            authorise(session, contract_id, Operation.SCORE, Ask(rows=head.rows), now)
            context = session.get(ContextRow, (contract_id, head.context))
            if context is None:
                raise NotFound("The batch names a context that is not held here.", next_step="send the context first")
            shelved = find_model(session, contract.model.name, contract.model.version)
            version = self._batches.register_version(session, contract_id, head.sha256)
            snapshot = find_snapshot(session, shelved.register, version)
            file = context.file
        wanted = self._shelf.model(shelved).columns
        if head.columns != wanted:
            raise InvalidInput(
                f"Wanted {wanted} columns, as the model's sheet says; found {head.columns}.",
                next_step="encrypt the columns of the contract's sheet",
            )
        rows = self._evaluated.index(snapshot, contract.engine, contract_id).find(head.tags)
        unknown = int((rows < 0).sum())
        if unknown:
            raise Refused(
                f"{unknown} of {head.rows} enterprises in the batch are not in the register under this contract.",
                next_step="match first, and score what matched",
            )
        return _Job(contract, head, snapshot, shelved, file, rows)

    def _charge(self, session: Session, job: _Job, now: datetime) -> None:
        charge_scores(session, job.contract, job.head.tags)
        self._batches.open(
            session,
            job.contract,
            job.head.sha256,
            now,
            rows=job.head.rows,
            register=job.snapshot.name,
            register_version=job.snapshot.version,
            facts={"columns": job.head.columns, "context_sha256": job.head.context},
        )

    def _evaluate(self, job: _Job, batch: bytes) -> bytes:
        public = self._snapshots.frame(job.snapshot)[job.rows]
        terms = self._shelf.model(job.shelved).terms(public, job.contract.detail)
        context = self._home.path(job.context_file).read_bytes()
        try:
            return self._workers.run(
                evaluate,
                context,
                batch,
                Terms(terms.columns, terms.outputs, terms.values, terms.base),
                PARAMETERS[job.contract.parameters],
                job.contract.id,
            )
        except ShulabError:
            raise
        except ValueError as error:
            raise InvalidInput(f"The evaluation failed: {error}.", next_step="encrypt the batch again") from None

    def _give_back(self, job: _Job, error: Exception) -> None:
        with self._store.begin() as session:
            if self._batches.close_unanswered(session, job.contract.id, job.head.sha256):
                return_scores(session, job.contract.id, job.head.tags)
                why = error.code if isinstance(error, ShulabError) else "fault"
                facts: dict[str, Fact] = {"batch_sha256": job.head.sha256, "rows": job.head.rows, "error": why}
                record(session, "score.returned", job.contract.id, facts)

    @contextmanager
    def _alone(self, contract_id: str, digest: str) -> Iterator[None]:
        """One thread a batch: a second request with the same bytes waits, and then finds the reply."""
        key = (contract_id, digest)
        with self._lock:
            lock, waiting = self._under_way.get(key, (threading.Lock(), 0))
            self._under_way[key] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._under_way[key]
                if waiting == 1:
                    del self._under_way[key]
                else:
                    self._under_way[key] = (lock, waiting - 1)


def _read(batch: bytes, params: ParameterSet, contract_id: str) -> BatchHead:
    try:
        return read_batch(batch, params, contract=contract_id)
    except ValueError as error:
        raise InvalidInput(f"The batch is not acceptable: {error}.", next_step="encrypt the batch again") from None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
