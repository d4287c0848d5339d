"""Scoring under a contract: batches that are charged once and answered once.

``receive`` parses a batch (no native code), authorises it, finds its register rows, stores it in a file, and charges it
in the transaction of its ledger entry. ``evaluate``, at any later time and in any process of the bureau, authorises it
again, computes the model's weights, has a worker evaluate it, authorises it once more, and stores and records the
reply. ``reply`` authorises and returns the reply. If the contract was suspended or ended meanwhile, there is no
reply, and the charge is refunded. The same bytes again get the same reply at no charge, also after a restart: replies
are random, and two replies to one batch would reveal more than one. Only a reply that the disk lost is made a second
time, at no charge; it counts a second time in the leakage budget. A batch that the disk lost is taken again from the
bank, at no charge. Each step can be repeated after an interruption.
``receive_rescoring`` replaces ``receive`` for a batch that an earlier job sent, when the register or the model has
changed since: a new evaluation, charged like any other. It leaves out enterprises that may not be scored any more
(``dropped_rows``); a first evaluation is refused for one of them.
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

from lab.bureau.configuration.disk_room import check_not_full, check_room
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.batches import (
    ANSWERED,
    CHARGED,
    RESCORE_HINT,
    RETURNED,
    BatchCharge,
    BatchLocation,
    BatchRepository,
    NewCharge,
    read_failure,
)
from lab.bureau.exchange.charges import charge_scores, count_refund, refund_scores
from lab.bureau.exchange.jobs import charge_rows, lock_contract, refund_rows
from lab.bureau.exchange.matching.index_store import ContractIndexes
from lab.bureau.exchange.refusals import records_refusals
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.exchange.scoring.batch_validation import BatchValidator, ValidatedBatch, refuse_unknown
from lab.bureau.exchange.scoring.dropped_rows import ChargedEnterprises
from lab.bureau.exchange.scoring.evaluation import BatchEvaluator
from lab.bureau.exchange.scoring.leakage_budget import check_fresh_ciphertexts, check_leakage_budget
from lab.bureau.exchange.scoring.lost_files import LostFiles, describe_failure
from lab.bureau.exchange.scoring.own_faults import BureauDataFault
from lab.bureau.exchange.scoring.reevaluation import check_rescorable
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.ledger.rate_limited_entries import check_refund_limit
from lab.bureau.store.tables import BatchRow
from lab.bureau.workers.pool import TaskExecutor
from lab.disk.checked_files import DamagedFile
from lab.disk.free_space import find_no_room
from lab.disk.private_files import replace_private
from lab.terms.contract.document import Operation
from lab.terms.errors import Busy, NoRoom, NotAllowed, NotFound, Unreachable
from lab.terms.ledger.receipt import ScoreReceipt
from protocols.scoring.parameters import find_parameters


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The state of a charged batch after its evaluation; ``error`` says why it was returned."""

    state: str
    error: Exception | None = None


class ScoringService:
    """Scoring. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources, indexes: ContractIndexes, workers: TaskExecutor) -> None:
        self._resources, self._store, self._home = resources, resources.store, resources.home
        self._access, self._now, self.refusals = resources.access, resources.clock, resources.refusals
        self._batches = BatchRepository(resources.home)
        self._lost = LostFiles(resources, self._batches)
        self._validator = BatchValidator(resources, indexes, self._batches)
        self._evaluator, self._enterprises = BatchEvaluator(resources, workers), ChargedEnterprises(resources)
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, ...], tuple[threading.Lock, int]] = {}

    def score(self, contract_id: str, job_id: str, batch: bytes) -> tuple[bytes, ScoreReceipt]:
        """Receive, evaluate and answer a batch in one call, without the queue. Raises what the three steps raise."""
        charge = self.receive(contract_id, job_id, batch)
        outcome = self.evaluate(contract_id, job_id, charge.sha256)
        if outcome.error is not None:
            raise outcome.error
        answered = self.reply(contract_id, job_id, charge.sha256)
        if answered is None:
            raise Busy("The evaluation of this batch was begun elsewhere.", next_step="send the batch again")
        return answered

    @records_refusals("score")
    def receive(self, contract_id: str, job_id: str, batch: bytes) -> BatchCharge:
        """Store a batch and charge it; one that is charged or answered already changes nothing.

        Raises what ``AccessControl.authorise_request`` raises; ``NotAllowed`` for enterprises that are not in the
        register or have reached their ceiling (with their number); ``NotFound`` for a context that was not sent;
        ``InvalidInput`` for a batch that does not parse; ``Conflict`` for a ciphertext that was sent before; ``Busy``
        when the queue is full.
        """
        now, digest = self._now(), hashlib.sha256(batch).hexdigest()
        validated = self._validator.validate(contract_id, job_id, batch, digest, now)
        file, named = f"batches/{contract_id}-{digest}-{secrets.token_hex(8)}.frame", False
        try:
            if not validated.is_charged:
                check_room(self._home)
                replace_private(self._home.path(file), batch)
            with self._store.begin() as session:
                access = self._validator.revalidate(session, validated, now)
                if not self._batches.is_charged(session, contract_id, job_id, digest):
                    if validated.is_charged:
                        raise Busy(
                            "The charge of this batch was refunded just now.", next_step="send it again", retry_after=1
                        )
                    self._batches.check_not_sent_before(session, contract_id, job_id, digest)
                    self._charge(session, validated, access, BatchLocation(file=file), now)
                    named = True
                else:
                    self._lost.restore(session, access, digest, batch, now)
                self._batches.find_reply(session, contract_id, job_id, digest)  # raises if it was removed
                return self._batches.find_charge(session, contract_id, job_id, digest)
        finally:
            if not named:
                self._home.path(file).unlink(missing_ok=True)

    @records_refusals("score")
    def receive_rescoring(self, contract_id: str, job_id: str, sha256: str) -> BatchCharge:
        """Charge, in this job, a batch whose bytes an earlier job sent; one that is charged here changes nothing.

        Enterprises that are no longer in the register under the contract (whatever the reason), or have reached their
        ceiling, are dropped and not charged. Raises what ``AccessControl.authorise_request`` and ``check_rescorable``
        raise; ``NotAllowed`` if nobody is left; ``Busy`` when the queue is full.
        """
        now = self._now()
        with self._store.begin_read() as session:
            access = self._access.authorise_request(session, contract_id, Operation.SCORE, job_id, now)
            is_charged = self._batches.is_charged(session, contract_id, job_id, sha256)
            snapshot = find_snapshot(session, access.model_version.register)
            file = None
            if not is_charged:
                file = self._check_rescorable(session, access, sha256, snapshot.version, now).file
        if is_charged:
            return self._repeat_rescoring(contract_id, job_id, sha256, now)
        try:
            batch = self._lost.read_batch(file, sha256)
        except NotFound as lost:
            raise NotAllowed(lost.detail, next_step=RESCORE_HINT) from None
        validated = self._validator.validate(contract_id, job_id, batch, sha256, now, named_again=True)
        with self._store.begin() as session:
            access = self._validator.revalidate(session, validated, now)
            if not self._batches.is_charged(session, contract_id, job_id, sha256):
                sent = self._check_rescorable(session, access, sha256, validated.snapshot.version, now)
                self._charge(session, validated, access, BatchLocation(job=sent.job_id), now)
            return self._batches.find_charge(session, contract_id, job_id, sha256)

    def _repeat_rescoring(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> BatchCharge:
        """The charge of a batch that was named before in this job; a reply that was lost is made again."""
        with self._store.begin() as session:
            access = self._access.authorise_request(session, contract_id, Operation.SCORE, job_id, now, lock=True)
            self._lost.reopen_reply(session, access, sha256, now)
            return self._batches.find_charge(session, contract_id, job_id, sha256)

    def evaluate(self, contract_id: str, job_id: str, sha256: str) -> BatchOutcome:
        """Answer a charged batch, or refund its charge; a batch in another state stays as it is.

        Raises ``Unreachable`` when the database or the workers do not answer, and whatever makes the refund
        impossible: then the batch is still charged.
        """
        outcome = self._evaluate_once(contract_id, job_id, sha256, self._now())
        if isinstance(outcome.error, NotAllowed):
            self.refusals.record(contract_id, "score", outcome.error)
        return outcome

    @records_refusals("score")
    def reply(self, contract_id: str, job_id: str, sha256: str) -> tuple[bytes, ScoreReceipt] | None:
        """The reply frame to a batch that was received, and its receipt; None while it waits or is evaluated.

        Raises what ``AccessControl.authorise_request`` raises, ``NotFound`` for a batch that was not sent in this job,
        the reason why it was not answered, and ``NotAllowed`` if an enterprise that was scored in it has withdrawn its
        consent.
        """
        now = self._now()
        with self._store.begin_read() as session:
            access = self._access.authorise_request(session, contract_id, Operation.SCORE, job_id, now)
            row = self._batches.find(session, contract_id, job_id, sha256)
            if row.state == RETURNED:
                raise read_failure(row)
            answered = self._batches.find_reply(session, contract_id, job_id, sha256)
            if answered is None:
                check_not_full(self._home)
                return None
            snapshot = find_snapshot(session, access.model_version.register, row.register_version)
            consenting = self._resources.consents.consenting_rows(
                session, snapshot, access.contract, access.contract_version.bank_id, now
            )
            file, named_again, scored = self._batches.find_file(session, row), row.sent_in is not None, row.rows
        if consenting is not None:
            batch = self._lost.read_batch(file, sha256)
            left = len(self._validate_charged(contract_id, job_id, batch, sha256, now, named_again=named_again).places)
            if left < scored:
                raise refuse_unknown(scored - left, scored)
        return answered.reply, self._resources.ledger.receipt(answered.entry, ScoreReceipt)

    def check_queue_capacity(self, contract_id: str, job_id: str, sha256: str) -> None:
        """Raise ``Busy`` if the queue has no room for a new batch, ``NoRoom`` if the disk has none, before its bytes
        arrive."""
        with self._store.begin_read() as session:
            if not self._batches.is_charged(session, contract_id, job_id, sha256):
                check_room(self._home)
                self._batches.check_queue_capacity(session, contract_id)

    def list_waiting(self) -> list[BatchCharge]:
        """Every batch that is charged and not yet answered, the oldest first."""
        with self._store.begin_read() as session:
            return self._batches.list_waiting(session)

    def _evaluate_once(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> BatchOutcome:
        with self._exclusive(contract_id, job_id, sha256):
            with self._store.begin_read() as session:
                row = self._batches.find(session, contract_id, job_id, sha256)
                state, batch_file = row.state, self._batches.find_file(session, row)
                named_again = row.sent_in is not None
            if state != CHARGED:
                return BatchOutcome(state)
            try:
                batch = self._lost.read_batch(batch_file, sha256)
                try:
                    answered = self._answer(contract_id, job_id, batch, sha256, now, named_again=named_again)
                except NotAllowed:
                    if not named_again:
                        raise
                    # Perhaps somebody withdrew during the evaluation: once more, without them.
                    answered = self._answer(contract_id, job_id, batch, sha256, now, named_again=True)
            except Unreachable:
                raise
            except Exception as error:
                reason = find_no_room(error) or error
                self._refund(contract_id, job_id, sha256, reason)
                return BatchOutcome(RETURNED, error)
            return BatchOutcome(ANSWERED if answered else RETURNED)

    def _answer(
        self, contract_id: str, job_id: str, batch: bytes, sha256: str, now: datetime, *, named_again: bool
    ) -> bool:
        """Evaluate a charged batch and record the reply; False if its charge was refunded meanwhile."""
        validated = self._validate_charged(contract_id, job_id, batch, sha256, now, named_again=named_again)
        if not len(validated.places):
            raise refuse_unknown(validated.head.rows, validated.head.rows)
        reply = self._evaluator.evaluate(validated, batch)
        digest = hashlib.sha256(reply).hexdigest()
        file = f"replies/{contract_id}-{sha256}-{digest[:16]}.frame"
        replace_private(self._home.path(file), reply)
        try:
            with self._store.begin() as session:
                access = self._validator.revalidate(session, validated, now)
                row = self._batches.find(session, contract_id, job_id, sha256)
                if named_again and row.state == CHARGED and row.answered_at is None:
                    self._enterprises.refund_others(session, validated)
                kept = self._batches.record_reply(session, access, validated.facts, file, reply, now)
        except Unreachable:  # perhaps the reply was recorded all the same, so its file stays
            raise
        except Exception:
            self._home.path(file).unlink(missing_ok=True)
            raise
        if kept is None or kept.sha256 != digest:
            self._home.path(file).unlink(missing_ok=True)
        return kept is not None

    def _validate_charged(
        self, contract_id: str, job_id: str, batch: bytes, sha256: str, now: datetime, *, named_again: bool
    ) -> ValidatedBatch:
        """A charged batch, validated again; if it was named again, for the enterprises that were charged."""
        validated = self._validator.validate(contract_id, job_id, batch, sha256, now, named_again=named_again)
        if not named_again:
            return validated
        with self._store.begin_read() as session:
            return self._enterprises.keep_charged(session, validated)

    def _check_rescorable(
        self, session: Session, access: AccessGrant, sha256: str, version: int, now: datetime
    ) -> BatchRow:
        return check_rescorable(session, self._batches, self._resources.models, access, sha256, version, now)

    def _charge(
        self, session: Session, validated: ValidatedBatch, access: AccessGrant, location: BatchLocation, now: datetime
    ) -> None:
        self._batches.check_queue_capacity(session, access.contract.id)
        check_refund_limit(session, access.contract.id, now)
        if location.job is not None:
            validated = self._enterprises.drop_at_ceiling(session, validated, access, now)
        enterprises = self._enterprises.pseudonyms(session, validated)
        params = find_parameters(access.contract.parameters)
        spent = self._lost.leakage_share(access)
        check_leakage_budget(session, access, params, spent)
        check_fresh_ciphertexts(session, access.contract_version.bank_id, validated.head)
        charge_rows(session, access.job, len(validated.places))
        charge_scores(session, access.contract, access.job.id, validated.head.sha256, enterprises, now)
        more: dict[str, Fact] = {
            "columns": validated.head.column_count,
            "context_sha256": validated.head.context,
            "detail": access.detail.value,
            "parameters": access.contract.parameters,
            "epoch": access.job.epoch,
            "version": access.contract_version.version,
        }
        if location.job is not None:
            more["sent_in"] = location.job
        self._batches.record_charge(session, access, NewCharge(validated.facts, location, more, spent), now)

    def _refund(self, contract_id: str, job_id: str, sha256: str, error: Exception) -> None:
        """Undo the charge after an evaluation that failed or whose contract was stopped; the batch's file is
        removed. A batch that was answered before, and whose reply was lost, stays charged."""
        why = describe_failure(error)
        # The bureau is the cause of these.
        banks_fault = not isinstance(error, (DamagedFile, BureauDataFault, NotFound, NoRoom))
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            if self._batches.keep_answered(session, contract_id, job_id, sha256, why):
                if banks_fault:
                    count_refund(session, contract_id, error, self._now())
                return
            returned = self._batches.mark_returned(session, contract_id, job_id, sha256, why)
            if returned is None:
                return
            row, file = returned
            refund_scores(session, contract_id, job_id, row.sha256)
            refund_rows(session, contract_id, job_id, row.rows)
            if banks_fault:
                count_refund(session, contract_id, error, self._now())
            facts: dict[str, Fact] = {
                "job": job_id,
                "batch_sha256": row.sha256,
                "rows": row.rows,
                "error": why["error"],
            }
            record(session, "score.returned", contract_id, facts, by=BUREAU_ACTOR)
        if file:
            self._home.path(file).unlink(missing_ok=True)

    @contextmanager
    def _exclusive(self, *key: str) -> Iterator[None]:
        """One thread a batch: a second request for the same batch waits, and then finds the reply."""
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
