"""Jobs and batches for the bureau's operator: their states, how old they are, and why a batch waits.

Read from the tables and the folder, so that it works while no service runs, and shows counts and hashes, no enterprise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.exchange.batches import CHARGED, RETURNED
from lab.bureau.store.tables import BankRow, BatchRow, ContractRow, JobRow
from lab.disk.locks import is_locked
from lab.terms.errors import NotFound
from lab.terms.names import ModelRef


@dataclass(frozen=True, slots=True)
class BatchOverview:
    """One batch of a job. ``seconds``: since its charge. ``why``: why it waits, or why its charge was refunded."""

    sha256: str
    state: str
    rows: int
    charged_at: datetime
    seconds: float
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The batch as a JSON object."""
        return {
            "sha256": self.sha256,
            "state": self.state,
            "rows": self.rows,
            "charged": self.charged_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class JobOverview:
    """One job with its batches, the oldest first. ``seconds``: since it was opened."""

    contract: str
    bank: str
    job: str
    state: str
    model: str
    rows: int
    rows_used: int
    opened_at: datetime
    seconds: float
    batches: Sequence[BatchOverview] = field(default=())

    @property
    def waiting(self) -> Sequence[BatchOverview]:
        """The batches that are charged and not yet answered."""
        return [one for one in self.batches if one.state == CHARGED]

    def as_dict(self) -> dict[str, Any]:
        """The job as a JSON object."""
        return {
            "contract": self.contract,
            "bank": self.bank,
            "job": self.job,
            "state": self.state,
            "model": self.model,
            "rows": self.rows,
            "rows_used": self.rows_used,
            "opened": self.opened_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds),
            "batches": [one.as_dict() for one in self.batches],
        }


def list_jobs(
    session: Session,
    home: BureauHome,
    now: datetime,
    *,
    after: tuple[str, str] | None = None,
    limit: int = 50,
    waiting_only: bool = False,
) -> list[JobOverview]:
    """Jobs, the newest first, at most ``limit``: those after the job (contract, id) ``after`` in the list.

    ``waiting_only``: jobs with a batch that waits. Raises ``NotFound`` for an unknown ``after``.
    """
    query = select(JobRow).order_by(JobRow.opened_at.desc(), JobRow.contract_id, JobRow.id).limit(limit)
    if after is not None:
        last = session.get(JobRow, after)
        if last is None:
            raise NotFound("There is no such job to list from.", next_step="begin without --after")
        beside = or_(
            JobRow.contract_id > last.contract_id, and_(JobRow.contract_id == last.contract_id, JobRow.id > last.id)
        )
        query = query.where(or_(JobRow.opened_at < last.opened_at, and_(JobRow.opened_at == last.opened_at, beside)))
    if waiting_only:
        waiting = select(BatchRow.sha256).where(
            BatchRow.contract_id == JobRow.contract_id, BatchRow.job_id == JobRow.id, BatchRow.state == CHARGED
        )
        query = query.where(waiting.exists())
    causes = _WaitingCauses(session, home)
    return [_overview(session, row, causes, now) for row in session.scalars(query)]


class _WaitingCauses:
    """Why charged batches wait."""

    def __init__(self, session: Session, home: BureauHome) -> None:
        self._home = home
        order = select(BatchRow.contract_id, BatchRow.job_id, BatchRow.sha256).where(BatchRow.state == CHARGED)
        queue = session.execute(order.order_by(BatchRow.charged_at, BatchRow.sha256)).all()
        self._places = {tuple(row): place for place, row in enumerate(queue)}
        folder = home.path("executors")
        self._served = folder.is_dir() and any(is_locked(path) for path in folder.glob("[0-9a-f]*"))

    def of(self, row: BatchRow) -> str:
        """The cause of a charged batch."""
        if not self._served:
            return "没有运行中的服务 no service runs"
        if row.file is not None and not self._home.path(row.file).is_file():
            return "批次文件丢失 its file is missing"
        before = self._places.get((row.contract_id, row.job_id, row.sha256), 0)
        workers = self._home.settings.workers
        if before >= workers:
            return f"排队，前有 {before} 批 in the queue behind {before}"
        return "正在求值，或将重试 being evaluated, or about to be again"


def _overview(session: Session, row: JobRow, causes: _WaitingCauses, now: datetime) -> JobOverview:
    contract = session.get_one(ContractRow, row.contract_id)
    batches = session.scalars(
        select(BatchRow)
        .where(BatchRow.contract_id == row.contract_id, BatchRow.job_id == row.id)
        .order_by(BatchRow.charged_at, BatchRow.sha256)
    )
    return JobOverview(
        contract=row.contract_id,
        bank=session.get_one(BankRow, contract.bank_id).name,
        job=row.id,
        state=row.state,
        model=str(ModelRef(row.model, row.model_version)),
        rows=row.rows,
        rows_used=row.rows_used,
        opened_at=row.opened_at,
        seconds=(now - row.opened_at).total_seconds(),
        batches=tuple(_batch(one, causes, now) for one in batches),
    )


def _batch(row: BatchRow, causes: _WaitingCauses, now: datetime) -> BatchOverview:
    why = causes.of(row) if row.state == CHARGED else ""
    if row.state == RETURNED:
        why = str((json.loads(row.failure) if row.failure else {}).get("error", ""))
    return BatchOverview(row.sha256, row.state, row.rows, row.charged_at, (now - row.charged_at).total_seconds(), why)
