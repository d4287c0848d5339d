"""Where a bank opens its jobs, looks at them and ends them, and fetches what it must know of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts import AccessRequest, authorise
from lab.bureau.contracts.lifecycle import find_version
from lab.bureau.data.register import Snapshot, find_snapshot
from lab.bureau.exchange.access import AccessControl, bank_actor
from lab.bureau.exchange.jobs import (
    ContractJob,
    JobParameters,
    check_job_id,
    end_job,
    find_job,
    job_not_found,
    lock_contract,
    open_job,
)
from lab.bureau.model_registry.registry import ModelVersion, find_model, read_sheet
from lab.bureau.store import Database
from lab.bureau.store.tables import EpochRow
from lab.terms.contract.document import Contract, Operation
from lab.terms.errors import Conflict, NotAllowed


class JobService:
    """What a bank may ask for around its jobs. Safe to use from several threads.

    ``epoch`` tells the key epoch that new jobs begin in.
    """

    def __init__(
        self, store: Database, home: BureauHome, passage: AccessControl, epoch: Callable[[Session], int]
    ) -> None:
        self._store, self._home, self._passage, self._epoch = store, home, passage, epoch

    def sheet(self, contract_id: str, name: str | None, version: int | None, now: datetime) -> bytes:
        """The sheet of a model that the contract allows (the first, unless named), whose hash the contract pins.

        Raises what ``authorise`` raises.
        """
        with self._store.begin_read() as session:
            contract, shelved = self._model(session, contract_id, name, version, now)
        content = read_sheet(self._home, shelved, contract.detail)
        if hashlib.sha256(content).hexdigest() != contract.find_model(shelved.name, shelved.version).sheet_sha256:
            raise NotAllowed(
                f"The sheet of contract {contract_id} is not the one that was signed (term: models).",
                next_step="ask the bureau for a new version of the contract",
            )
        return content

    def register(self, contract_id: str, name: str | None, version: int | None, now: datetime) -> Snapshot:
        """The register version that a batch sent now would be evaluated with, by a model named as for ``sheet``.

        Raises what ``authorise`` raises.
        """
        with self._store.begin_read() as session:
            _, shelved = self._model(session, contract_id, name, version, now)
            return find_snapshot(session, shelved.register)

    def _model(
        self, session: Session, contract_id: str, name: str | None, version: int | None, now: datetime
    ) -> tuple[Contract, ModelVersion]:
        contract = find_version(session, contract_id).contract
        # An ask that names no model of the contract goes to ``authorise`` as it is, and is refused there.
        allowed = [m for m in contract.models if name in (None, m.name) and version in (None, m.version)]
        model = (allowed[0].name, allowed[0].version) if allowed else (name or "", version or 0)
        ask = AccessRequest(model=model, detail=contract.detail)
        contract = authorise(session, contract_id, Operation.SCORE, ask, now).contract
        return contract, find_model(session, *model)

    def open_job(self, contract_id: str, job_id: str, terms: JobParameters, now: datetime) -> ContractJob:
        """Open a job, or the same one again. Raises what ``authorise`` and ``jobs.open_job`` raise.

        A stopped job whose key epoch has closed meanwhile cannot go on: its tags mean nothing any more (``Conflict``).
        """
        check_job_id(job_id)
        with self._store.begin() as session:
            held, _ = self._passage.authorise_opening(session, contract_id, terms, now)
            epoch = self._epoch(session)
            job = open_job(session, held, job_id, terms, now, epoch=epoch, by=bank_actor(held))
            state = session.scalar(select(EpochRow.state).where(EpochRow.number == job.epoch))
            if job.state == "open" and state not in ("current", "closing"):
                raise Conflict(
                    f"The key epoch of job {job_id} has ended, so what it matched can't be scored any more.",
                    next_step="start the job afresh, under another id",
                )
        return job

    def job(self, contract_id: str, job_id: str) -> ContractJob:
        """A job as it stands, whatever the contract's state; raises ``NotFound``."""
        with self._store.begin_read() as session:
            found = find_job(session, contract_id, job_id)
        if found is None:
            raise job_not_found(contract_id)
        return found

    def end_job(self, contract_id: str, job_id: str, now: datetime) -> ContractJob:
        """The bank is done with a job, whatever the contract's state: ending gives nothing out."""
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            held = find_version(session, contract_id)
            return end_job(session, contract_id, job_id, now, by=bank_actor(held))
