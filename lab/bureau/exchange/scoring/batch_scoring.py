"""Scoring under a contract: batches that are charged once and answered once.

``receive``: read (no native code) -> authorise -> tags to register rows -> kept in a file -> charge, in the transaction
of its ledger entry. ``evaluate_batch``, at any later time and in any process of the bureau: authorise -> the model's
terms -> evaluation in a worker -> authorise again, reply kept and recorded. ``reply``: authorise -> out. A contract
that was suspended or ended meanwhile gets no reply, and its charge is given back. The same bytes again get the same
reply and no charge, also after a restart: replies are random, and two to one batch would tell more than one. Each of
the three steps may be done again after it was interrupted at any place. ``receive_again`` takes the place of
``receive`` for a batch that an earlier job sent, when the register or the model has changed since: a new evaluation,
charged like any other.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import SnapshotReader, find_snapshot
from lab.bureau.exchange.access import AccessControl, AccessGrant
from lab.bureau.exchange.batches import (
    ANSWERED,
    CHARGED,
    RETURNED,
    BatchCharge,
    BatchLocation,
    BatchRepository,
    RecordedReply,
    read_failure,
)
from lab.bureau.exchange.charges import charge_scores, count_refund, refund_scores
from lab.bureau.exchange.jobs import charge_rows, lock_contract, refund_rows
from lab.bureau.exchange.matching.index_store import ContractIndexes
from lab.bureau.exchange.scoring.batch_validation import BatchValidator, ValidatedBatch
from lab.bureau.exchange.scoring.leakage_budget import check_fresh_ciphertexts, check_leakage_budget
from lab.bureau.exchange.scoring.reevaluation import check_rescorable
from lab.bureau.exchange.scoring.weight_cache import WeightCache, WeightCacheKey
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.key_management.pseudonyms import current_pseudonyms
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.ledger.rate_limited_entries import check_refund_limit
from lab.bureau.model_registry.registry import ModelCache
from lab.bureau.store import Database
from lab.bureau.store.tables import BatchRow
from lab.bureau.workers.pool import TaskExecutor
from lab.disk.private_files import replace_private
from lab.terms.contract.document import Operation
from lab.terms.errors import Busy, Conflict, InvalidInput, ShulabError, Unreachable
from protocols.scoring.bureau import QuantizedWeights, evaluate_batch
from protocols.scoring.parameters import find_parameters


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a charged batch; ``error`` says why it was returned."""

    state: str
    error: Exception | None = None


class ScoringService:
    """What a bank may ask in scoring. Safe to use from several threads."""

    def __init__(
        self,
        store: Database,
        home: BureauHome,
        keys: BureauKeys,
        snapshots: SnapshotReader,
        indexes: ContractIndexes,
        workers: TaskExecutor,
        passage: AccessControl,
        consents: ConsentService,
        shelf: ModelCache,
    ) -> None:
        self._store, self._home, self._keys, self._shelf = store, home, keys, shelf
        self._snapshots, self._workers, self._passage, self._consents = snapshots, workers, passage, consents
        self._batches, self._terms = BatchRepository(home), WeightCache()
        self._admission = BatchValidator(store, indexes, passage, consents, shelf, self._batches)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, ...], tuple[threading.Lock, int]] = {}

    def score(self, contract_id: str, job_id: str, batch: bytes, now: datetime) -> RecordedReply:
        """The reply to a batch, received and evaluated in one go, for who needs no queue. Raises what the steps do."""
        charge = self.receive(contract_id, job_id, batch, now)
        outcome = self.evaluate(contract_id, job_id, charge.sha256, now)
        if outcome.error is not None:
            raise outcome.error
        answered = self.reply(contract_id, job_id, charge.sha256, now)
        if answered is None:
            raise Busy("The evaluation of this batch was begun elsewhere.", next_step="send the batch again")
        return answered

    def receive(self, contract_id: str, job_id: str, batch: bytes, now: datetime) -> BatchCharge:
        """Keep a batch and charge it; one that is charged or answered already changes nothing.

        Raises what ``AccessControl.enter`` raises; ``NotAllowed`` for enterprises that are not in the register or have
        reached their ceiling (with their number), ``NotFound`` for a context that was not put, ``InvalidInput`` for a
        batch that does not parse, ``Conflict`` for a ciphertext that was sent before, ``Busy`` when too many wait.
        """
        digest = hashlib.sha256(batch).hexdigest()
        work = self._admission.validate(contract_id, job_id, batch, digest, now)
        file, named = f"batches/{contract_id}-{digest}-{secrets.token_hex(8)}.frame", False
        try:
            if not work.is_charged:
                replace_private(self._home.path(file), batch)
            with self._store.begin() as session:
                passed = self._admission.revalidate(session, work, now)
                if not self._batches.is_charged(session, contract_id, job_id, digest):
                    if work.is_charged:
                        raise Busy("This batch was given up just now.", next_step="send it again", retry_after=1)
                    self._batches.check_not_sent_before(session, contract_id, job_id, digest)
                    self._charge(session, work, passed, BatchLocation(file=file), now)
                    named = True
                self._batches.find_reply(session, contract_id, job_id, digest)  # raises if its reply is lost
                return self._batches.find_charge(session, contract_id, job_id, digest)
        finally:
            if not named:
                self._home.path(file).unlink(missing_ok=True)

    def receive_rescoring(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> BatchCharge:
        """Charge, in this job, a batch whose bytes an earlier job sent; one that is charged here changes nothing.

        Raises what ``AccessControl.enter`` and ``rescoring.check_again`` raise, ``NotAllowed`` if an enterprise in it
        is not in the register under the contract any more (with their number, for whichever reason) or has reached its
        ceiling, ``Busy`` when too many batches wait.
        """
        with self._store.begin_read() as session:
            passed = self._passage.authorise_request(session, contract_id, Operation.SCORE, job_id, now)
            if self._batches.is_charged(session, contract_id, job_id, sha256):
                return self._batches.find_charge(session, contract_id, job_id, sha256)
            snapshot = find_snapshot(session, passed.model_version.register)
            sent = self._check_again(session, passed, sha256, snapshot.version, now)
            file = sent.file
        work = self._admission.validate(contract_id, job_id, self._kept(file, sha256), sha256, now)
        with self._store.begin() as session:
            passed = self._admission.revalidate(session, work, now)
            if not self._batches.is_charged(session, contract_id, job_id, sha256):
                sent = self._check_again(session, passed, sha256, work.snapshot.version, now)
                self._charge(session, work, passed, BatchLocation(job=sent.job_id), now)
            return self._batches.find_charge(session, contract_id, job_id, sha256)

    def evaluate(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> BatchOutcome:
        """Answer a charged batch, or give its charge back; a batch in another state stays as it is.

        Raises ``Unreachable`` when the database or the workers are not there, and whatever makes it impossible to give
        back: then it is still charged.
        """
        with self._alone(contract_id, job_id, sha256):
            with self._store.begin_read() as session:
                row = self._batches.find(session, contract_id, job_id, sha256)
                state, kept = row.state, self._batches.find_file(session, row)
            if state != CHARGED:
                return BatchOutcome(state)
            file = ""
            try:
                batch = self._kept(kept, sha256)
                work = self._admission.validate(contract_id, job_id, batch, sha256, now)
                reply = self._evaluate(work, batch)
                file = f"replies/{contract_id}-{sha256}-{hashlib.sha256(reply).hexdigest()[:16]}.frame"
                replace_private(self._home.path(file), reply)
                with self._store.begin() as session:
                    passed = self._admission.revalidate(session, work, now)
                    found = self._batches.record_reply(
                        session, contract_id, work.facts, file, reply, now, by=passed.actor
                    )
            except Unreachable:  # perhaps the reply was kept all the same, so its file stays
                raise
            except Exception as error:
                self._give_back(contract_id, job_id, sha256, file, error, now)
                return BatchOutcome(RETURNED, error)
            if found is None or found.sha256 != hashlib.sha256(reply).hexdigest():
                self._home.path(file).unlink(missing_ok=True)
            return BatchOutcome(RETURNED if found is None else ANSWERED)

    def reply(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> RecordedReply | None:
        """The reply to a batch that was received; None while it waits or is evaluated.

        Raises what ``AccessControl.enter`` raises, ``NotFound`` for a batch that was not sent in this job, why it was
        not answered, and ``NotAllowed`` if an enterprise in it has withdrawn its consent.
        """
        with self._store.begin_read() as session:
            passed = self._passage.authorise_request(session, contract_id, Operation.SCORE, job_id, now)
            row = self._batches.find(session, contract_id, job_id, sha256)
            if row.state == CHARGED:
                return None
            if row.state == RETURNED:
                raise read_failure(row)
            answered = self._batches.find_reply(session, contract_id, job_id, sha256)
            snapshot = find_snapshot(session, passed.model_version.register, row.register_version)
            admitted = self._consents.consenting_rows(
                session, snapshot, passed.contract, passed.contract_version.bank_id, now
            )
            kept = self._batches.find_file(session, row)
        if admitted is not None:
            self._admission.validate(contract_id, job_id, self._kept(kept, sha256), sha256, now)
        return answered

    def check_queue_capacity(self, contract_id: str, job_id: str, sha256: str) -> None:
        """Raise ``Busy`` when a batch that is not known yet would not be taken, before its bytes have come."""
        with self._store.begin_read() as session:
            if not self._batches.is_charged(session, contract_id, job_id, sha256):
                self._batches.check_queue_capacity(session, contract_id)

    def list_waiting(self) -> list[BatchCharge]:
        """Every batch that is charged and not yet answered, the oldest first."""
        with self._store.begin_read() as session:
            return self._batches.list_waiting(session)

    def count_by_state(self, contract_id: str, job_id: str) -> dict[str, int]:
        """How many batches of a job are charged, answered and returned."""
        with self._store.begin_read() as session:
            return self._batches.count_by_state(session, contract_id, job_id)

    def _kept(self, file: str | None, sha256: str) -> bytes:
        path = self._home.path(file) if file is not None else None
        batch = path.read_bytes() if path is not None and path.is_file() else b""
        if hashlib.sha256(batch).hexdigest() != sha256:
            raise Conflict("The batch is not kept here any more.", next_step="encrypt it afresh and send it")
        return batch

    def _check_again(self, session: Session, passed: AccessGrant, sha256: str, version: int, now: datetime) -> BatchRow:
        return check_rescorable(session, self._batches, self._shelf, passed, sha256, version, now)

    def _charge(
        self, session: Session, work: ValidatedBatch, passed: AccessGrant, sent: BatchLocation, now: datetime
    ) -> None:
        self._batches.check_queue_capacity(session, passed.contract.id)
        check_refund_limit(session, passed.contract.id, now)
        identifier = work.snapshot.id_column
        codes = self._snapshots.frame(work.snapshot, [identifier])[identifier].gather(work.rows).to_list()
        enterprises = current_pseudonyms(session, self._keys, [str(code) for code in codes])
        params = find_parameters(passed.contract.parameters)
        spent = params.leakage_share(self._shelf.load(passed.model_version).weight_counts(passed.detail))
        check_leakage_budget(session, passed, params, spent)
        check_fresh_ciphertexts(session, passed.contract_version.bank_id, work.head)
        charge_rows(session, passed.job, work.head.rows)
        charge_scores(session, passed.contract, passed.job.id, work.head.sha256, enterprises, now)
        more: dict[str, Fact] = {
            "columns": work.head.column_count,
            "context_sha256": work.head.context,
            "detail": passed.detail.value,
            "parameters": passed.contract.parameters,
            "epoch": passed.job.epoch,
            "version": passed.contract_version.version,
        }
        if sent.job is not None:
            more["sent_in"] = sent.job
        self._batches.record_charge(
            session, passed.contract.id, work.facts, sent, now, by=passed.actor, more=more, spent=spent
        )

    def _evaluate(self, work: ValidatedBatch, batch: bytes) -> bytes:
        passed = work.access
        snapshot, shelved, step = work.snapshot, passed.model_version, passed.contract.ceilings.precision
        about = WeightCacheKey(snapshot.name, snapshot.version, snapshot.rows, shelved.sha256, passed.detail, step)
        model = self._shelf.load(shelved)
        # With the identifier, because a model may use no public column, and its rows are counted all the same.
        columns = [snapshot.id_column, *(feature.name for feature in model.public_features)]
        table = self._snapshots.frame(snapshot, columns)
        terms = self._terms.weights(about, model, work.rows, lambda rows: table[rows])
        context = self._home.path(work.context_file).read_bytes()
        try:
            return self._workers.run(
                evaluate_batch,
                context,
                batch,
                QuantizedWeights(terms.columns, terms.outputs, terms.weights, terms.base),
                find_parameters(passed.contract.parameters),
                passed.contract.id,
                sha256=work.head.sha256,
            )
        except ShulabError:
            raise
        except ValueError as error:
            raise InvalidInput(f"The evaluation failed: {error}.", next_step="encrypt the batch again") from None

    def _give_back(
        self, contract_id: str, job_id: str, sha256: str, reply_file: str, error: Exception, now: datetime
    ) -> None:
        """Undo the charge after an evaluation that failed or whose contract was stopped; neither file is kept."""
        why = error.as_dict() if isinstance(error, ShulabError) else {"error": "fault"}
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            returned = self._batches.mark_returned(session, contract_id, job_id, sha256, why)
            if returned is None:
                return
            row, file = returned
            refund_scores(session, contract_id, job_id, row.sha256)
            refund_rows(session, contract_id, job_id, row.rows)
            count_refund(session, contract_id, error, now)
            facts: dict[str, Fact] = {
                "job": job_id,
                "batch_sha256": row.sha256,
                "rows": row.rows,
                "error": why["error"],
            }
            record(session, "score.returned", contract_id, facts, by=BUREAU_ACTOR)
        for gone in (file, reply_file):
            if gone:
                self._home.path(gone).unlink(missing_ok=True)

    @contextmanager
    def _alone(self, *key: str) -> Iterator[None]:
        """One thread a batch: a second request with the same bytes waits, and then finds the reply."""
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
