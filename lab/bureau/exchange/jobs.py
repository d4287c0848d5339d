"""Jobs of banks: opened before anything is matched or scored, used, stopped with their contract, ended.

A job fixes what it is for: its recipient, its model version, its key epoch and how many enterprises it announces. All
functions belong to the caller's transaction, which holds the contract's row locked (``lock_contract``), so that two
requests never count against each other's past.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import ContractRow, JobRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from lab.terms.names import is_job_id

OPEN, STOPPED, ENDED = "open", "stopped", "ended"
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class JobParameters:
    """What a bank says when it opens a job: for whom, by which model, and how many enterprises at most."""

    recipient: str
    model: str
    model_version: int
    rows: int


@dataclass(frozen=True, slots=True)
class ContractJob:
    """A job as the bureau holds it; ``version`` is the contract's version in force when it was opened."""

    contract: str
    id: str
    version: int
    parameters: JobParameters
    epoch: int
    rows_used: int
    state: str
    opened_at: datetime
    ended_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """As the service tells it."""
        return {
            "job": self.id,
            "state": self.state,
            "version": self.version,
            "recipient": self.parameters.recipient,
            "model": self.parameters.model,
            "model_version": self.parameters.model_version,
            "epoch": self.epoch,
            "rows": self.parameters.rows,
            "rows_used": self.rows_used,
            "opened": self.opened_at.isoformat(timespec="seconds"),
        }


def lock_contract(session: Session, contract_id: str) -> None:
    """Wait for, and keep, the lock that orders everything charged to a contract; nothing happens for an unknown id.

    On SQLite a writing transaction holds the whole database already.
    """
    session.execute(select(ContractRow.id).where(ContractRow.id == contract_id).with_for_update())


def find_job(session: Session, contract_id: str, job_id: str) -> ContractJob | None:
    """The job, or None."""
    row = session.get(JobRow, (contract_id, job_id), populate_existing=True)
    return None if row is None else _job(row)


def count_recent_jobs(session: Session, contract_id: str, now: datetime) -> int:
    """Jobs opened within the last 24 hours, over all versions of the contract."""
    opened = select(func.count()).where(JobRow.contract_id == contract_id, JobRow.opened_at > now - DAY)
    return int(session.scalar(opened) or 0)


def open_job(
    session: Session, held: ContractVersion, job_id: str, terms: JobParameters, now: datetime, *, epoch: int, by: str
) -> ContractJob:
    """Open a job in a key epoch. The same id with the same terms is the same job: no new charge, whatever its state.

    A job that was stopped with its contract is opened again. Raises ``Conflict`` for the same id with other terms,
    ``NotAllowed`` when as many jobs as a day allows were opened within 24 hours.
    """
    contract_id, ceilings = held.contract.id, held.contract.ceilings
    check_job_id(job_id)
    row = session.get(JobRow, (contract_id, job_id), populate_existing=True)
    if row is not None:
        job = _job(row)
        if job.parameters != terms:
            raise Conflict(
                f"Job {job_id} of contract {contract_id} was opened with other terms.", next_step="open another job"
            )
        if row.state == STOPPED:
            row.state = OPEN
            session.flush()
            record(session, "job.reopened", contract_id, {"job": job_id, "version": held.version}, by=by)
        return _job(row)
    opened = count_recent_jobs(session, contract_id, now)
    if opened >= ceilings.jobs_per_day:
        raise NotAllowed(
            f"Contract {contract_id} allows {ceilings.jobs_per_day} jobs within 24 hours (term: jobs_per_day); "
            f"{opened} were opened.",
            next_step="try again later, or ask for a contract with a higher ceiling",
        )
    row = JobRow(
        contract_id=contract_id,
        id=job_id,
        version=held.version,
        recipient=terms.recipient,
        model=terms.model,
        model_version=terms.model_version,
        epoch=epoch,
        rows=terms.rows,
        rows_used=0,
        state=OPEN,
        opened_at=now,
    )
    session.add(row)
    session.flush()
    facts: dict[str, Fact] = {
        "job": job_id,
        "version": held.version,
        "recipient": terms.recipient,
        "model": terms.model,
        "model_version": terms.model_version,
        "epoch": epoch,
        "rows": terms.rows,
    }
    record(session, "job.opened", contract_id, facts, by=by)
    return _job(row)


def check_job_id(job_id: str) -> None:
    """Raise ``InvalidInput`` unless ``job_id`` can name a job: it stands in addresses and in the ledger."""
    if not is_job_id(job_id):
        raise InvalidInput(
            "Wanted a job's id of letters, digits, dots and hyphens (at most 64).", next_step="name the job otherwise"
        )


def job_not_found(contract_id: str) -> NotFound:
    """The error for a job that was never opened."""
    return NotFound(
        f"Contract {contract_id} has no such job.", next_step=f"open it first: PUT /v1/contracts/{contract_id}/jobs/ID"
    )


def check_open(job: ContractJob) -> None:
    """Raise ``NotAllowed`` unless the job is open."""
    if job.state == STOPPED:
        raise NotAllowed(
            f"Job {job.id} was stopped with contract {job.contract}.", next_step="open the same job again to go on"
        )
    if job.state != OPEN:
        raise NotAllowed(f"Job {job.id} of contract {job.contract} has ended.", next_step="open another job")


def charge_rows(session: Session, job: ContractJob, rows: int) -> None:
    """Count ``rows`` enterprises against those the job announced; one statement, so that parallel batches add up.

    Raises ``NotAllowed`` beyond them, or if the job is not open any more.
    """
    used = (
        update(JobRow)
        .where(JobRow.contract_id == job.contract, JobRow.id == job.id, JobRow.state == OPEN)
        .where(JobRow.rows_used + rows <= JobRow.rows)
        .values(rows_used=JobRow.rows_used + rows)
    )
    if not _changed(session.execute(used, execution_options={"synchronize_session": False})):
        present = find_job(session, job.contract, job.id) or job
        check_open(present)
        raise NotAllowed(
            f"Job {job.id} announced {job.parameters.rows} enterprises (term: rows_per_job); "
            f"{job.parameters.rows - present.rows_used} are left, {rows} were sent.",
            next_step="open another job for the others",
        )


def refund_rows(session: Session, contract_id: str, job_id: str, rows: int) -> None:
    """Take back what ``charge_rows`` counted."""
    back = (
        update(JobRow)
        .where(JobRow.contract_id == contract_id, JobRow.id == job_id)
        .values(rows_used=JobRow.rows_used - rows)
    )
    session.execute(back, execution_options={"synchronize_session": False})


def end_job(session: Session, contract_id: str, job_id: str, now: datetime, *, by: str) -> ContractJob:
    """The bank is done with the job; ending it again changes nothing. Raises ``NotFound``."""
    row = session.get(JobRow, (contract_id, job_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise job_not_found(contract_id)
    if row.state != ENDED:
        row.state, row.ended_at = ENDED, now
        session.flush()
        record(session, "job.ended", contract_id, {"job": job_id, "rows_used": row.rows_used}, by=by)
    return _job(row)


def stop_jobs(session: Session, contract_id: str, now: datetime, *, by: str) -> int:
    """Stop every open job of a contract, in the transaction that suspends or ends it; how many there were.

    A batch under evaluation notices when its reply is to be kept: it is neither kept nor given.
    """
    stop = (
        update(JobRow)
        .where(JobRow.contract_id == contract_id, JobRow.state == OPEN)
        .values(state=STOPPED)
        .returning(JobRow.id)
    )
    stopped = sorted(session.scalars(stop, execution_options={"synchronize_session": False}))
    if stopped:
        facts: dict[str, Fact] = {"jobs": len(stopped), "ids": stopped, "at": now.isoformat(timespec="seconds")}
        record(session, "job.stopped", contract_id, facts, by=by)
    return len(stopped)


def _changed(done: object) -> bool:
    return isinstance(done, CursorResult) and done.rowcount == 1


def _job(row: JobRow) -> ContractJob:
    return ContractJob(
        contract=row.contract_id,
        id=row.id,
        version=row.version,
        parameters=JobParameters(row.recipient, row.model, row.model_version, row.rows),
        epoch=row.epoch,
        rows_used=row.rows_used,
        state=row.state,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
    )
