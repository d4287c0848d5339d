"""A bank opens, reads and ends its jobs, and fetches what it must know of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest, authorise
from lab.bureau.contracts.repository import find_version
from lab.bureau.data.credit_repair.superseded_versions import superseded_versions
from lab.bureau.data.publication.origins import find_day
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.access import bank_actor
from lab.bureau.exchange.batches import BatchRepository
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
from lab.bureau.exchange.refusals import records_refusals
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.model_registry.registry import ModelVersion, find_model, read_sheet
from lab.bureau.store.tables import EpochRow
from lab.terms.contract.document import Contract, Operation
from lab.terms.errors import Conflict, NotAllowed


class JobService:
    """A bank's jobs, and what it needs to know of a model. Safe to use from several threads.

    ``current_epoch`` finds the key epoch in which new jobs begin.
    """

    def __init__(self, resources: ExchangeResources, current_epoch: Callable[[Session], int]) -> None:
        self._store, self._home, self._access = resources.store, resources.home, resources.access
        self._current_epoch, self._now, self.refusals = current_epoch, resources.clock, resources.refusals
        self._batches, self._drift = BatchRepository(resources.home), resources.drift

    @records_refusals("sheet")
    def sheet(self, contract_id: str, name: str | None = None, version: int | None = None) -> bytes:
        """The sheet of a model that the contract allows (the first, unless named), whose hash the contract pins.

        Raises what ``authorise`` raises, and ``NotAllowed`` if the sheet does not have the pinned hash.
        """
        with self._store.begin_read() as session:
            contract, model = self._find_model(session, contract_id, name, version)
        content = read_sheet(self._home, model, contract.detail)
        if hashlib.sha256(content).hexdigest() != contract.find_model(model.name, model.version).sheet_sha256:
            raise NotAllowed(
                f"The sheet of contract {contract_id} is not the one that was signed (term: models).",
                next_step="ask the bureau for a new version of the contract",
            )
        return content

    @records_refusals("register")
    def register(self, contract_id: str, name: str | None = None, version: int | None = None) -> dict[str, Any]:
        """Name and version of the register that a batch sent now would be evaluated with, by a model as in ``sheet``.

        ``moved``: the codes of its items whose distribution moved since the model was trained. ``superseded``: versions
        of the register that counted an adverse record which was put right since: the same for every bank, so that it
        says nothing of one bank's enterprises. ``day``: as of which day the version's records were computed; None if it
        was imported from a file. Raises what ``authorise`` raises, and ``NotAllowed`` if they moved too far and the
        bureau did not accept that.
        """
        with self._store.begin_read() as session:
            _, model = self._find_model(session, contract_id, name, version)
            snapshot = find_snapshot(session, model.register)
            superseded = superseded_versions(session, snapshot.name)
            day = find_day(session, snapshot.name, snapshot.version)
        return {
            "name": snapshot.name,
            "version": snapshot.version,
            "moved": self._drift.require(model, snapshot),
            "superseded": list(superseded),
            "day": day,
        }

    def _find_model(
        self, session: Session, contract_id: str, name: str | None, version: int | None
    ) -> tuple[Contract, ModelVersion]:
        contract = find_version(session, contract_id).contract
        # A request for a model that the contract does not name goes to ``authorise`` as it is, and is refused there.
        allowed = [m for m in contract.models if name in (None, m.name) and version in (None, m.version)]
        model = (allowed[0].name, allowed[0].version) if allowed else (name or "", version or 0)
        request = AccessRequest(model=model, detail=contract.detail)
        contract = authorise(session, contract_id, Operation.SCORE, request, self._now()).contract
        return contract, find_model(session, *model)

    @records_refusals("open-job")
    def open(self, contract_id: str, job_id: str, parameters: JobParameters) -> ContractJob:
        """Open a job, or the same one again. Raises what ``authorise`` and ``jobs.open_job`` raise.

        A stopped job whose key epoch has closed meanwhile cannot continue: its tags mean nothing any more
        (``Conflict``).
        """
        now = self._now()
        check_job_id(job_id)
        with self._store.begin() as session:
            version, _ = self._access.authorise_opening(session, contract_id, parameters, now)
            epoch = self._current_epoch(session)
            job = open_job(session, version, job_id, parameters, now, epoch=epoch, by=bank_actor(version))
            state = session.scalar(select(EpochRow.state).where(EpochRow.number == job.epoch))
            if job.state == "open" and state not in ("current", "closing"):
                raise Conflict(
                    f"The key epoch of job {job_id} has ended, so what it matched can't be scored any more.",
                    next_step="start a new job, under another id",
                )
        return job

    def find(self, contract_id: str, job_id: str) -> ContractJob:
        """A job, whatever the contract's state; raises ``NotFound``."""
        with self._store.begin_read() as session:
            found = find_job(session, contract_id, job_id)
        if found is None:
            raise job_not_found(contract_id)
        return found

    def progress(self, contract_id: str, job_id: str) -> dict[str, Any]:
        """A job, and its batches by state; raises ``NotFound``."""
        job = self.find(contract_id, job_id)
        with self._store.begin_read() as session:
            return job.as_dict() | {"batches": self._batches.count_by_state(session, contract_id, job_id)}

    def end(self, contract_id: str, job_id: str) -> ContractJob:
        """End a job, whatever the contract's state: ending reveals nothing. Raises ``NotFound``."""
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            version = find_version(session, contract_id)
            return end_job(session, contract_id, job_id, self._now(), by=bank_actor(version))
