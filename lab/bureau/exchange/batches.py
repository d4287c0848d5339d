"""Batches in the database: charged, then answered, or returned when the evaluation failed or was stopped.

The bytes of a batch are in a file from the charge on, so that any process of the bureau can evaluate it. They are
removed when the batch is returned, or with the reply when the contract's retention ends. A later job may have them
evaluated again by another register or model version (``find_original_batch``, ``check_not_yet_evaluated``); that keeps
them no longer.

All methods run in the caller's transaction, which has the contract's row locked when it changes something.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.exchange.access import AccessGrant
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.store.tables import BatchRow, JobRow
from lab.terms.errors import ERROR_FAMILIES, Busy, Conflict, InvalidInput, NotFound, ShulabError
from lab.terms.names import ModelRef

CHARGED, ANSWERED, RETURNED = "charged", "answered", "returned"
RESCORE_HINT = "score these enterprises afresh: match, encrypt and send them"
"""The next step for a bank whose batch can't be evaluated again."""
_RETRY_AFTER = 2  # seconds: a batch takes about as long


@dataclass(frozen=True, slots=True)
class BatchCharge:
    """A batch that is charged and waits. The same bytes charged again after a return are another charge."""

    contract: str
    sha256: str
    job: str
    at: datetime

    @property
    def id(self) -> str:
        """Identifies the charge and the workflow that answers it."""
        return f"{self.contract}/{self.job}/{self.sha256}/{self.at:%Y%m%dT%H%M%S.%f}"


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A stored reply, and the number of its ledger entry."""

    reply: bytes
    entry: int

    @property
    def sha256(self) -> str:
        """Hash of the reply."""
        return hashlib.sha256(self.reply).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchLocation:
    """Where the bytes of a batch are: in a file of its own, or in that of the job that sent them."""

    file: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the ledger records about a batch, when it is charged and when it is answered.

    ``rows``: enterprises in it; ``scored``: those that are charged and scored. Only in a batch that is named again may
    the second number be smaller. Which ones were dropped is in the reply alone: the ledger is for other eyes too.
    """

    job: str
    sha256: str
    rows: int
    scored: int
    register: str
    register_version: int
    model: str
    model_version: int

    def as_dict(self) -> dict[str, Fact]:
        """The facts, as an entry and a receipt have them."""
        return {
            "job": self.job,
            "batch_sha256": self.sha256,
            "rows": self.rows,
            "scored": self.scored,
            "register": self.register,
            "register_version": self.register_version,
            "model": self.model,
            "model_version": self.model_version,
        }


@dataclass(frozen=True, slots=True)
class NewCharge:
    """A batch to be charged: its facts, where its bytes are, ``more`` facts for the ledger, and the share ``spent`` of
    the leakage budget."""

    facts: BatchFacts
    location: BatchLocation
    more: Mapping[str, Fact]
    spent: float


class BatchRepository:
    """Batches and their replies."""

    def __init__(self, home: BureauHome) -> None:
        self._home = home

    def register_version(self, session: Session, contract_id: str, job_id: str, sha256: str) -> int | None:
        """The register version that a batch was charged for, which also answers it after a restart; or None."""
        row = session.get(BatchRow, (contract_id, job_id, sha256))
        return row.register_version if row is not None and row.state != RETURNED else None

    def is_charged(self, session: Session, contract_id: str, job_id: str, sha256: str) -> bool:
        """Whether the batch is charged in this job, answered or not."""
        row = session.get(BatchRow, (contract_id, job_id, sha256), populate_existing=True)
        return row is not None and row.state != RETURNED

    def check_not_sent_before(self, session: Session, contract_id: str, job_id: str, sha256: str) -> None:
        """Raise ``Conflict`` if the batch was sent in another job."""
        if any(row.job_id != job_id for row in self._evaluations(session, contract_id, sha256)):
            raise Conflict(
                "This batch was sent in another job.",
                next_step="encrypt it afresh for this one, or have it evaluated again (`lab bank rescore`)",
            )

    def find(self, session: Session, contract_id: str, job_id: str, sha256: str) -> BatchRow:
        """A job's batch; raises ``NotFound``."""
        row = session.get(BatchRow, (contract_id, job_id, sha256), populate_existing=True)
        if row is None:
            raise NotFound("The job has no batch of this hash.", next_step="send the batch first")
        return row

    def find_charge(self, session: Session, contract_id: str, job_id: str, sha256: str) -> BatchCharge:
        """The charge of a job's batch; raises ``NotFound``."""
        return BatchCharge(contract_id, sha256, job_id, self.find(session, contract_id, job_id, sha256).charged_at)

    def find_original_batch(self, session: Session, contract_id: str, sha256: str) -> BatchRow:
        """An answered batch in the job that its bytes were sent in; raises ``NotFound``."""
        for row in self._evaluations(session, contract_id, sha256):
            if row.sent_in is None and row.state == ANSWERED:
                return row
        raise NotFound(
            "No answered batch of this hash is known under this contract.",
            next_step=RESCORE_HINT,
        )

    def check_not_yet_evaluated(
        self, session: Session, contract_id: str, sha256: str, register_version: int, model: tuple[str, int]
    ) -> None:
        """Raise ``Conflict`` if some job had the batch evaluated by this register and model version already.

        Replies are random, so a second one to the same ciphertexts and weights would reveal more than the first.
        """
        for row in self._evaluations(session, contract_id, sha256):
            job = session.get_one(JobRow, (contract_id, row.job_id))
            if row.register_version == register_version and (job.model, job.model_version) == model:
                raise Conflict(
                    f"Nothing has changed: job {row.job_id} has this batch evaluated by the same register version "
                    f"({register_version}) and model ({ModelRef(*model)}); nothing was charged.",
                    next_step="use the results of that job; ask again when the register or the model has changed",
                )

    def find_file(self, session: Session, row: BatchRow) -> str | None:
        """The file with the bytes of a batch; None when they were removed."""
        if row.sent_in is None:
            return row.file
        sent = session.get(BatchRow, (row.contract_id, row.sent_in, row.sha256), populate_existing=True)
        return None if sent is None else sent.file

    def _evaluations(self, session: Session, contract_id: str, sha256: str) -> Sequence[BatchRow]:
        """The batch in every job that it is charged or answered in."""
        query = select(BatchRow).where(BatchRow.contract_id == contract_id, BatchRow.sha256 == sha256)
        return session.scalars(query.where(BatchRow.state != RETURNED)).all()

    def list_waiting(self, session: Session) -> list[BatchCharge]:
        """Every batch that is charged and not yet answered, the oldest first."""
        rows = session.scalars(select(BatchRow).where(BatchRow.state == CHARGED).order_by(BatchRow.charged_at))
        return [BatchCharge(row.contract_id, row.sha256, row.job_id, row.charged_at) for row in rows]

    def count_by_state(self, session: Session, contract_id: str, job_id: str) -> dict[str, int]:
        """How many batches of a job are charged, answered and returned."""
        query = select(BatchRow.state, func.count()).where(BatchRow.contract_id == contract_id)
        found = {
            str(state): int(count)
            for state, count in session.execute(query.where(BatchRow.job_id == job_id).group_by(BatchRow.state))
        }
        return {state: found.get(state, 0) for state in (CHARGED, ANSWERED, RETURNED)}

    def check_queue_capacity(self, session: Session, contract_id: str) -> None:
        """Raise ``Busy`` when the queue is full, in all or for the contract."""
        query = select(func.count()).where(BatchRow.state == CHARGED)
        settings = self._home.settings
        for counted, most in (
            (query, settings.waiting_batches),
            (query.where(BatchRow.contract_id == contract_id), settings.waiting_batches_per_contract),
        ):
            if int(session.scalar(counted) or 0) >= most:
                raise Busy(
                    f"The queue is full: {most} batches may wait to be evaluated at once; this one was not accepted.",
                    next_step=f"send it again in {_RETRY_AFTER} seconds",
                    retry_after=_RETRY_AFTER,
                )

    def record_charge(self, session: Session, access: AccessGrant, charge: NewCharge, now: datetime) -> None:
        """Record that the batch is charged, with its ledger entry."""
        contract_id, facts = access.contract.id, charge.facts
        row = session.get(BatchRow, (contract_id, facts.job, facts.sha256))
        if row is None:
            row = BatchRow(contract_id=contract_id, job_id=facts.job, sha256=facts.sha256)
            session.add(row)
        row.rows, row.register_version = facts.scored, facts.register_version
        row.spent = max(row.spent or 0.0, charge.spent)  # more after a reply was lost: both count
        row.file, row.sent_in = charge.location.file, charge.location.job
        row.state, row.charged_at, row.failure = CHARGED, now, None
        session.flush()
        record(session, "score.charged", contract_id, facts.as_dict() | dict(charge.more), by=access.actor)

    def record_reply(
        self, session: Session, access: AccessGrant, facts: BatchFacts, file: str, reply: bytes, now: datetime
    ) -> RecordedReply | None:
        """Record that the batch is answered by ``reply``, which is stored in ``file``.

        Returns the reply of another process if that was first; None if the charge was refunded meanwhile.
        """
        contract_id = access.contract.id
        key = (contract_id, facts.job, facts.sha256)
        row = session.get(BatchRow, key, with_for_update=True, populate_existing=True)
        if row is not None and row.state == CHARGED:
            row.state, row.answered_at, row.rows = ANSWERED, now, facts.scored
            row.reply_file, row.reply_sha256 = file, hashlib.sha256(reply).hexdigest()
            row.failure = None
            session.flush()
            outcome: dict[str, Fact] = {"reply_sha256": row.reply_sha256, "bytes": len(reply)}
            entry = record(session, "score.answered", contract_id, facts.as_dict() | outcome, by=access.actor)
            row.entry_seq = entry.seq
            session.flush()
        return self.find_reply(session, contract_id, facts.job, facts.sha256)

    def find_reply(self, session: Session, contract_id: str, job_id: str, sha256: str) -> RecordedReply | None:
        """The stored reply, or None; raises ``NotFound`` if its file is lost or damaged, or the reason why it could not
        be made again, and ``InvalidInput`` if it was removed after retention."""
        row = session.get(BatchRow, (contract_id, job_id, sha256), populate_existing=True)
        if row is None or row.state != ANSWERED or row.entry_seq is None:
            return None
        if row.reply_file is None:
            raise InvalidInput(
                "This batch was answered before, but its reply cannot be sent again: it was removed after the agreed "
                "retention (term: retention_days).",
                next_step="encrypt the batch afresh",
            )
        reply = self._read_reply(row)
        if reply is None and row.failure is not None:
            raise read_failure(row)
        if reply is None:
            raise NotFound(
                "This batch was answered before, but its reply is damaged on the bureau's disk.",
                next_step="send the batch again: it is evaluated again at no charge",
            )
        return RecordedReply(reply, row.entry_seq)

    def find_damaged_reply(self, session: Session, contract_id: str, job_id: str, sha256: str) -> BatchRow | None:
        """The row, locked, of a batch that was answered by a reply whose file is lost or damaged; else None."""
        row = session.get(BatchRow, (contract_id, job_id, sha256), with_for_update=True, populate_existing=True)
        if row is None or row.state != ANSWERED or row.reply_file is None or self._read_reply(row) is not None:
            return None
        return row

    def reopen(self, session: Session, row: BatchRow, spent: float) -> None:
        """Have an answered batch evaluated again in its job, at no charge, because its reply is lost.

        ``spent``: the share of the leakage budget that the second reply uses beside the first. What is known of the
        first stays (``answered_at``): the bank may have it, so its charge is never refunded (``keep_answered``).
        """
        row.spent += spent
        if row.failure is None:  # the first attempt
            lost: dict[str, Fact] = {"job": row.job_id, "batch_sha256": row.sha256, "rows": row.rows}
            lost["reply_sha256"] = row.reply_sha256
            record(session, "score.reply-lost", row.contract_id, lost, by=BUREAU_ACTOR)
        row.state, row.failure = CHARGED, None
        session.flush()

    def keep_answered(
        self, session: Session, contract_id: str, job_id: str, sha256: str, failure: Mapping[str, str]
    ) -> bool:
        """If a charged batch was answered before (``reopen``), mark it so again, with the reason why its reply could
        not be made a second time. Returns whether it was.

        Nothing is refunded, and the leakage of the first reply still counts: the bank may have that reply.
        """
        row = session.get(BatchRow, (contract_id, job_id, sha256), with_for_update=True, populate_existing=True)
        if row is None or row.state != CHARGED or row.answered_at is None:
            return False
        row.state, row.failure = ANSWERED, json.dumps(dict(failure), ensure_ascii=False)
        session.flush()
        return True

    def _read_reply(self, row: BatchRow) -> bytes | None:
        path = self._home.path(row.reply_file or "")
        reply = path.read_bytes() if path.is_file() else b""
        return reply if hashlib.sha256(reply).hexdigest() == row.reply_sha256 else None

    def mark_returned(
        self, session: Session, contract_id: str, job_id: str, sha256: str, failure: Mapping[str, str]
    ) -> tuple[BatchRow, str | None] | None:
        """Mark a charged batch as returned, with the reason for the bank.

        Returns the row, and the file to remove: its bytes, unless another job sent them. None if the batch is not
        charged any more, so that there is nothing to refund.
        """
        row = session.get(BatchRow, (contract_id, job_id, sha256), with_for_update=True, populate_existing=True)
        if row is None or row.state != CHARGED:
            return None
        file = row.file
        row.state, row.file, row.failure = RETURNED, None, json.dumps(dict(failure), ensure_ascii=False)
        session.flush()
        return row, file


def read_failure(row: BatchRow) -> ShulabError:
    """Why a batch was not answered, or not a second time, as the error that was raised."""
    failure = json.loads(row.failure or "{}")
    family = ERROR_FAMILIES.get(failure.get("error", ""), Conflict)
    detail = failure.get("detail") or "The batch was not answered, and its charge was refunded."
    return family(detail, next_step=failure.get("next_step") or "send the batch again")
