"""The life of a batch in the store: charged, then answered, or returned when its evaluation failed or was stopped.

All methods belong to the caller's transaction, which holds the contract's row locked when it changes something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.home import BureauHome
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import BatchRow
from lab.terms.errors import Conflict, InvalidInput

CHARGED, ANSWERED, RETURNED = "charged", "answered", "returned"


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply that was kept, and the number of the ledger entry that tells of it."""

    reply: bytes
    entry: int

    @property
    def sha256(self) -> str:
        """Hash of the reply."""
        return hashlib.sha256(self.reply).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the ledger says of a batch, when it is charged and when it is answered."""

    job: str
    sha256: str
    rows: int
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
            "register": self.register,
            "register_version": self.register_version,
            "model": self.model,
            "model_version": self.model_version,
        }


class Batches:
    """Batches and their replies."""

    def __init__(self, home: BureauHome) -> None:
        self._home = home

    def register_version(self, session: Session, contract_id: str, sha256: str) -> int | None:
        """The register version that a batch was charged for, from which a resumed one is answered too; or None."""
        row = session.get(BatchRow, (contract_id, sha256))
        return row.register_version if row is not None and row.state != RETURNED else None

    def is_charged(self, session: Session, contract_id: str, job_id: str, sha256: str) -> bool:
        """Whether the batch is paid for and waits for its answer: the service was stopped in between.

        Raises ``Conflict`` if it was sent in another job.
        """
        row = session.get(BatchRow, (contract_id, sha256), populate_existing=True)
        if row is not None and row.state != RETURNED and row.job_id != job_id:
            raise Conflict("This batch was sent in another job.", next_step="encrypt it afresh for this one")
        return row is not None and row.state == CHARGED

    def open(
        self,
        session: Session,
        contract_id: str,
        facts: BatchFacts,
        now: datetime,
        *,
        by: str,
        more: Mapping[str, Fact],
    ) -> None:
        """Record that the batch is charged, with its ledger entry."""
        row = session.get(BatchRow, (contract_id, facts.sha256))
        if row is None:
            row = BatchRow(contract_id=contract_id, sha256=facts.sha256)
            session.add(row)
        row.job_id, row.rows, row.register_version = facts.job, facts.rows, facts.register_version
        row.state, row.charged_at = CHARGED, now
        session.flush()
        record(session, "score.charged", contract_id, facts.as_dict() | dict(more), by=by)

    def keep_reply(
        self, session: Session, contract_id: str, facts: BatchFacts, file: str, reply: bytes, now: datetime, *, by: str
    ) -> Answered | None:
        """Record that the batch is answered by ``reply``, which lies in ``file``.

        If another process was first, its reply is given instead; None if the charge was given back meanwhile.
        """
        row = session.get(BatchRow, (contract_id, facts.sha256), with_for_update=True, populate_existing=True)
        if row is not None and row.state == CHARGED:
            row.state, row.answered_at = ANSWERED, now
            row.reply_file, row.reply_sha256 = file, hashlib.sha256(reply).hexdigest()
            session.flush()
            told: dict[str, Fact] = {"reply_sha256": row.reply_sha256, "bytes": len(reply)}
            row.entry_seq = record(session, "score.answered", contract_id, facts.as_dict() | told, by=by).seq
            session.flush()
        return self.answered(session, contract_id, facts.sha256)

    def answered(self, session: Session, contract_id: str, sha256: str) -> Answered | None:
        """The kept reply, or None; raises ``InvalidInput`` if it was lost, altered, or removed after its time."""
        row = session.get(BatchRow, (contract_id, sha256), populate_existing=True)
        if row is None or row.state != ANSWERED or row.entry_seq is None:
            return None
        path = self._home.path(row.reply_file) if row.reply_file is not None else None
        reply = path.read_bytes() if path is not None and path.is_file() else b""
        if hashlib.sha256(reply).hexdigest() != row.reply_sha256:
            why = "its file is lost" if path is not None else "it was kept no longer than agreed (term: retention_days)"
            raise InvalidInput(
                f"The reply to this batch was given before, and {why}.", next_step="encrypt the batch afresh"
            )
        return Answered(reply, row.entry_seq)

    def close_unanswered(self, session: Session, contract_id: str, sha256: str) -> BatchRow | None:
        """Mark a charged batch as returned; None if it no longer is charged, so nothing is to be given back."""
        row = session.get(BatchRow, (contract_id, sha256), with_for_update=True, populate_existing=True)
        if row is None or row.state != CHARGED:
            return None
        row.state = RETURNED
        session.flush()
        return row
