"""What a contract has delivered, for the notice to the bank when it is suspended or ended."""

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
class ResultDelivery:
    """One result that left the bureau: what, when, for whom, how many enterprises, and its ledger entry."""

    what: Literal["match", "scores"]
    at: datetime
    job: str
    recipient: str
    model: str
    rows: int
    entry: int

    def as_dict(self) -> dict[str, Any]:
        """The delivery as the service's JSON."""
        return asdict(self) | {"at": self.at.isoformat(timespec="seconds")}


def list_deliveries(session: Session, contract_id: str) -> list[ResultDelivery]:
    """Everything delivered under a contract, over all its versions, oldest first."""
    jobs = {row.id: row for row in session.scalars(select(JobRow).where(JobRow.contract_id == contract_id))}
    found = [
        ResultDelivery(
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


def _matches(session: Session, contract_id: str, jobs: dict[str, JobRow]) -> list[ResultDelivery]:
    """Answered matches are only in the ledger: those charged, without those refunded."""
    query = select(LedgerEntryRow).where(
        LedgerEntryRow.contract_id == contract_id, LedgerEntryRow.kind.in_((_MATCH_CHARGED, _MATCH_RETURNED))
    )
    rows = session.scalars(query.order_by(LedgerEntryRow.seq)).all()
    facts = {row.seq: json.loads(row.body)["facts"] for row in rows}
    returned = Counter(facts[row.seq]["request_sha256"] for row in rows if row.kind == _MATCH_RETURNED)
    found = []
    for row in rows:
        entry_facts = facts[row.seq]
        if row.kind != _MATCH_CHARGED:
            continue
        if returned[entry_facts["request_sha256"]]:
            returned[entry_facts["request_sha256"]] -= 1
            continue
        job = jobs[entry_facts["job"]]
        found.append(
            ResultDelivery("match", row.time, job.id, job.recipient, _model(job), entry_facts["identifiers"], row.seq)
        )
    return found


def _model(job: JobRow) -> str:
    return str(ModelRef(job.model, job.model_version))
