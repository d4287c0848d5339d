"""The life of a batch in the store: charged, then answered, or returned when its evaluation failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.home import BureauHome, write_private
from lab.bureau.ledger import Fact, Receipt, record
from lab.bureau.store import Store
from lab.bureau.store.tables import BatchRow, EntryRow
from lab.terms.contract import Contract
from lab.terms.errors import InvalidInput

CHARGED, ANSWERED, RETURNED = "charged", "answered", "returned"


class Batches:
    """Batches and their replies. The methods that take a session belong to the caller's transaction."""

    def __init__(self, home: BureauHome) -> None:
        self._home = home

    def register_version(self, session: Session, contract_id: str, sha256: str) -> int | None:
        """The register version that a batch was charged for, from which a resumed one is answered too; or None."""
        row = session.get(BatchRow, (contract_id, sha256))
        return row.register_version if row is not None and row.state != RETURNED else None

    def is_charged(self, session: Session, contract_id: str, sha256: str) -> bool:
        """Whether the batch is paid for and waits for its answer: the service was stopped in between."""
        row = session.get(BatchRow, (contract_id, sha256))
        return row is not None and row.state == CHARGED

    def open(
        self,
        session: Session,
        contract: Contract,
        sha256: str,
        now: datetime,
        *,
        rows: int,
        register: str,
        register_version: int,
        facts: Mapping[str, Fact],
    ) -> None:
        """Record that the batch is charged, with its ledger entry."""
        row = session.get(BatchRow, (contract.id, sha256))
        if row is None:
            row = BatchRow(contract_id=contract.id, sha256=sha256)
            session.add(row)
        row.rows, row.register_version = rows, register_version
        row.state, row.charged_at = CHARGED, now
        session.flush()
        entry = record(
            session,
            "score.charged",
            contract.id,
            {
                "batch_sha256": sha256,
                "rows": rows,
                "register": register,
                "register_version": register_version,
                "model": contract.model.name,
                "model_version": contract.model.version,
                "detail": contract.detail.value,
                "parameters": contract.parameters,
                **facts,
            },
        )
        row.entry_seq = entry.seq

    def keep_reply(
        self, store: Store, contract: Contract, sha256: str, reply: bytes, now: datetime
    ) -> tuple[bytes, Receipt]:
        """Keep the reply and record it; if another process was first, its reply is given instead."""
        file = f"replies/{contract.id}-{sha256}-{hashlib.sha256(reply).hexdigest()[:16]}.frame"
        write_private(self._home.path(file), reply)
        with store.begin() as session:
            row = session.get(BatchRow, (contract.id, sha256), with_for_update=True)
            if row is not None and row.state == CHARGED:
                row.state, row.answered_at = ANSWERED, now
                row.reply_file, row.reply_sha256 = file, hashlib.sha256(reply).hexdigest()
                session.flush()
                facts: dict[str, Fact] = {"batch_sha256": sha256, "reply_sha256": row.reply_sha256, "bytes": len(reply)}
                record(session, "score.answered", contract.id, facts)
            answered = self.answered(session, contract.id, sha256)
        if answered is None:
            raise InvalidInput("The evaluation of this batch was given up elsewhere.", next_step="send the batch again")
        if answered[1].reply_sha256 != hashlib.sha256(reply).hexdigest():
            self._home.path(file).unlink(missing_ok=True)
        return answered

    def answered(self, session: Session, contract_id: str, sha256: str) -> tuple[bytes, Receipt] | None:
        """The kept reply and its receipt, or None; raises ``InvalidInput`` if the reply's file was lost or altered."""
        row = session.get(BatchRow, (contract_id, sha256))
        if row is None or row.state != ANSWERED or row.reply_file is None:
            return None
        path = self._home.path(row.reply_file)
        reply = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(reply).hexdigest() != row.reply_sha256:
            raise InvalidInput(
                "The reply to this batch was given before and its file is lost.", next_step="encrypt the batch afresh"
            )
        return reply, self._receipt(session, row)

    def close_unanswered(self, session: Session, contract_id: str, sha256: str) -> bool:
        """Mark a charged batch as returned; False if it no longer is charged, so nothing is to be given back."""
        row = session.get(BatchRow, (contract_id, sha256), with_for_update=True)
        if row is None or row.state != CHARGED:
            return False
        row.state = RETURNED
        session.flush()
        return True

    def _receipt(self, session: Session, row: BatchRow) -> Receipt:
        entry = session.get(EntryRow, row.entry_seq)
        if entry is None:
            raise InvalidInput("The ledger entry of this batch is missing.", next_step="check the database")
        facts = json.loads(entry.body)["facts"]
        return Receipt(
            contract=row.contract_id,
            batch_sha256=row.sha256,
            reply_sha256=row.reply_sha256 or "",
            rows=row.rows,
            register=facts["register"],
            register_version=row.register_version,
            model=facts["model"],
            model_version=facts["model_version"],
            entry=entry.seq,
            entry_sha256=entry.sha256,
        )
