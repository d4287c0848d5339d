"""What a contract has delivered so far: for the notice that must follow when it is suspended or ended."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import BatchRow, JobRow, LedgerEntryRow
from lab.terms.names import ModelRef

_ANSWERED = "answered"
_MATCH_CHARGED, _MATCH_RETURNED = "match.charged", "match.returned"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One result that left the bureau: what, when, for whom, how many enterprises, and the ledger entry of it."""

    what: Literal["match", "scores"]
    at: datetime
    job: str
    recipient: str
    model: str
    rows: int
    entry: int

    def as_dict(self) -> dict[str, Any]:
        """As the service tells it."""
        return asdict(self) | {"at": self.at.isoformat(timespec="seconds")}


def list_deliveries(session: Session, contract_id: str) -> list[Delivery]:
    """Everything delivered under a contract, over all its versions, the oldest first."""
    jobs = {row.id: row for row in session.scalars(select(JobRow).where(JobRow.contract_id == contract_id))}
    found = [
        Delivery(
            "scores",
            row.answered_at or row.charged_at,
            row.job_id,
            jobs[row.job_id].recipient,
            _model(jobs[row.job_id]),
            row.rows,
            row.entry_seq or 0,
        )
        for row in session.scalars(
            select(BatchRow).where(BatchRow.contract_id == contract_id, BatchRow.state == _ANSWERED)
        )
    ]
    found += _matches(session, contract_id, jobs)
    return sorted(found, key=lambda one: one.entry)


def _matches(session: Session, contract_id: str, jobs: dict[str, JobRow]) -> list[Delivery]:
    """Answered matches stand in the ledger alone: those charged, less those whose charge was given back."""
    query = select(LedgerEntryRow).where(
        LedgerEntryRow.contract_id == contract_id, LedgerEntryRow.kind.in_((_MATCH_CHARGED, _MATCH_RETURNED))
    )
    rows = session.scalars(query.order_by(LedgerEntryRow.seq)).all()
    facts = {row.seq: json.loads(row.body)["facts"] for row in rows}
    returned = Counter(facts[row.seq]["request_sha256"] for row in rows if row.kind == _MATCH_RETURNED)
    found = []
    for row in rows:
        told = facts[row.seq]
        if row.kind != _MATCH_CHARGED:
            continue
        if returned[told["request_sha256"]]:
            returned[told["request_sha256"]] -= 1
            continue
        job = jobs[told["job"]]
        found.append(Delivery("match", row.time, job.id, job.recipient, _model(job), told["identifiers"], row.seq))
    return found


def _model(job: JobRow) -> str:
    return str(ModelRef(job.model, job.model_version))
