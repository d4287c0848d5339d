"""Jobs of banks: opened before anything is matched or scored, used, stopped with their contract, ended.

A job fixes its recipient, its model version, its key epoch and how many enterprises it announces. All functions run in
the caller's transaction, which has the contract's row locked (``lock_contract``), so that parallel requests are counted
one after another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from lab.bureau.contracts.lifecycle import record_expiry
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.store.tables import ContractRow, JobRow
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from lab.terms.names import is_job_id

OPEN, STOPPED, ENDED = "open", "stopped", "ended"
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class JobParameters:
    """The parameters of a job: recipient, model version, and the largest number of enterprises."""

    recipient: str
    model: str
    model_version: int
    rows: int


@dataclass(frozen=True, slots=True)
class ContractJob:
    """A job as the bureau stores it; ``version`` is the contract's version in force when it was opened."""

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
        """The job as the service's JSON."""
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
    """Lock the contract's row until the transaction ends, so that its charges are serialised; ignores an unknown id.

    On SQLite a writing transaction locks the whole database already.
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
    session: Session,
    version: ContractVersion,
    job_id: str,
    parameters: JobParameters,
    now: datetime,
    *,
    epoch: int,
    by: str,
) -> ContractJob:
    """Open a job in a key epoch. The same id with the same parameters is the same job, at no new charge.

    A job that was stopped with its contract is opened again. Raises ``Conflict`` for the same id with other parameters,
    ``NotAllowed`` when the ceiling of jobs within 24 hours is reached.
    """
    contract_id = version.contract.id
    check_job_id(job_id)
    row = session.get(JobRow, (contract_id, job_id), populate_existing=True)
    if row is not None:
        job = _job(row)
        if job.parameters != parameters:
            raise Conflict(
                f"Job {job_id} of contract {contract_id} was opened with other terms.",
                next_step="open another job",
            )
        if row.state == STOPPED:
            row.state = OPEN
            session.flush()
            record(session, "job.reopened", contract_id, {"job": job_id, "version": version.version}, by=by)
        return _job(row)
    _check_jobs_per_day(session, version.contract, now)
    row = JobRow(contract_id=contract_id, id=job_id, version=version.version, epoch=epoch, opened_at=now)
    row.recipient, row.rows = parameters.recipient, parameters.rows
    row.model, row.model_version = parameters.model, parameters.model_version
    row.rows_used, row.state = 0, OPEN
    session.add(row)
    session.flush()
    facts: dict[str, Fact] = {"job": job_id, "version": version.version, "epoch": epoch}
    facts |= asdict(parameters)
    record(session, "job.opened", contract_id, facts, by=by)
    return _job(row)


def _check_jobs_per_day(session: Session, contract: Contract, now: datetime) -> None:
    ceiling, opened = contract.ceilings.jobs_per_day, count_recent_jobs(session, contract.id, now)
    if opened >= ceiling:
        raise NotAllowed(
            f"Contract {contract.id} allows {ceiling} jobs within 24 hours (term: jobs_per_day); {opened} were opened.",
            next_step="try again later, or ask for a contract with a higher ceiling",
        )


def check_job_id(job_id: str) -> None:
    """Raise ``InvalidInput`` unless ``job_id`` can name a job: it is part of addresses and ledger entries."""
    if not is_job_id(job_id):
        raise InvalidInput(
            "Expected a job's id of letters, digits, dots and hyphens (at most 64).",
            next_step="give the job another id",
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
            f"Job {job.id} was stopped with contract {job.contract}.", next_step="open the same job again to continue"
        )
    if job.state != OPEN:
        raise NotAllowed(f"Job {job.id} of contract {job.contract} has ended.", next_step="open another job")


def charge_rows(session: Session, job: ContractJob, rows: int) -> None:
    """Count ``rows`` enterprises against the number that the job announced, in one statement, so that parallel batches
    add up.

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
    """Undo ``charge_rows``."""
    back = (
        update(JobRow)
        .where(JobRow.contract_id == contract_id, JobRow.id == job_id)
        .values(rows_used=JobRow.rows_used - rows)
    )
    session.execute(back, execution_options={"synchronize_session": False})


def end_job(session: Session, contract_id: str, job_id: str, now: datetime, *, by: str) -> ContractJob:
    """End a job; ending it again changes nothing. Raises ``NotFound``."""
    row = session.get(JobRow, (contract_id, job_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise job_not_found(contract_id)
    if row.state != ENDED:
        row.state, row.ended_at = ENDED, now
        session.flush()
        record(session, "job.ended", contract_id, {"job": job_id, "rows_used": row.rows_used}, by=by)
    return _job(row)


def stop_jobs(session: Session, contract_id: str, now: datetime, *, by: str) -> int:
    """Stop every open job of a contract, in the transaction that suspends or ends it; returns their number.

    A batch in evaluation is checked again before its reply is stored: the reply is neither stored nor sent.
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


def expire_contract(session: Session, contract_id: str, now: datetime) -> None:
    """Record the contract's versions whose term is over, and stop its jobs if one was in force; raises ``NotFound``."""
    if record_expiry(session, contract_id, now):
        stop_jobs(session, contract_id, now, by=BUREAU_ACTOR)


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
