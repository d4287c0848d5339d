"""The way of every request of a bank: contract, job, model, and the one enforcement point, in one transaction.

``AccessControl.enter`` gathers what a request is about (which job it names, and with that which model, recipient and
items) and has ``lab.bureau.contracts.authorise`` let it through. A job goes on when its contract is amended, if the
version in force allows what the job was opened for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest, authorise
from lab.bureau.contracts.lifecycle import ContractVersion, find_version
from lab.bureau.exchange.jobs import ContractJob, JobParameters, check_open, find_job, job_not_found, lock_contract
from lab.bureau.model_registry.registry import ModelCache, ModelVersion, find_model
from lab.terms.contract.document import Contract, Operation, ReleaseForm, ResultDetail
from lab.terms.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """A request that was let through: the version of the contract in force, the job, and its model."""

    contract_version: ContractVersion
    job: ContractJob
    model_version: ModelVersion
    detail: ResultDetail
    """How fine the job's replies are: as in the version it was opened under."""

    @property
    def contract(self) -> Contract:
        """The version in force."""
        return self.contract_version.contract

    @property
    def actor(self) -> str:
        """Who asks, as the ledger names them."""
        return bank_actor(self.contract_version)


class AccessControl:
    """Lets requests through. Safe to use from several threads."""

    def __init__(self, shelf: ModelCache) -> None:
        self._shelf = shelf

    def authorise_request(
        self,
        session: Session,
        contract_id: str,
        operation: Operation,
        job_id: str,
        now: datetime,
        *,
        identifiers: int | None = None,
        rows: int | None = None,
        lock: bool = False,
    ) -> AccessGrant:
        """Let a request of an open job through; ``lock`` when it charges something.

        Raises what ``authorise`` raises, ``NotFound`` for a job that was never opened and ``NotAllowed`` for one that
        is not open, or whose engine or parameters an amendment has changed.
        """
        if lock:
            lock_contract(session, contract_id)
        job = find_job(session, contract_id, job_id)
        ask = AccessRequest(identifiers=identifiers, rows=rows)
        if job is None:
            authorise(session, contract_id, operation, ask, now)
            raise job_not_found(contract_id)
        opened = find_version(session, contract_id, job.version).contract
        shelved = find_model(session, job.parameters.model, job.parameters.model_version)
        ask = replace(ask, recipient=job.parameters.recipient, job_rows=job.parameters.rows, detail=opened.detail)
        held = authorise(session, contract_id, operation, self._about(ask, shelved, operation), now)
        check_open(job)
        for term, before, present in (
            ("engine", opened.engine, held.contract.engine),
            ("parameters", opened.parameters, held.contract.parameters),
        ):
            if before != present:
                raise NotAllowed(
                    f"Contract {contract_id} was amended since job {job.id} was opened (term: {term}).",
                    next_step="open another job",
                )
        return AccessGrant(held, job, shelved, opened.detail)

    def authorise_opening(
        self, session: Session, contract_id: str, terms: JobParameters, now: datetime
    ) -> tuple[ContractVersion, ModelVersion]:
        """Let a job be opened with these terms; locks the contract. Raises what ``authorise`` raises.

        It is opened for matching, or for counting where a contract allows that and no matching; each request in it
        is let through for its own operation.
        """
        lock_contract(session, contract_id)
        contract = find_version(session, contract_id).contract
        operation = _opened_for(contract)
        ask = AccessRequest(recipient=terms.recipient, job_rows=terms.rows, detail=contract.detail)
        try:
            shelved = find_model(session, terms.model, terms.model_version)
        except NotFound:
            # Which models stand here is not for a bank to find out by trying: the contract has the first word.
            asked = replace(ask, model=(terms.model, terms.model_version))
            authorise(session, contract_id, operation, asked, now)
            raise
        return authorise(session, contract_id, operation, self._about(ask, shelved, operation), now), shelved

    def _about(self, ask: AccessRequest, shelved: ModelVersion, operation: Operation) -> AccessRequest:
        """What the model makes of a request: its version, and the items it reads as inputs. A count reads none."""
        ask = replace(ask, model=(shelved.name, shelved.version))
        if operation is Operation.COUNT:
            return ask
        items = frozenset(item.code for item in self._shelf.load(shelved).public_items())
        return replace(ask, items=items, form=ReleaseForm.MODEL_INPUT_ONLY)


def _opened_for(contract: Contract) -> Operation:
    counts = Operation.COUNT in contract.operations and Operation.MATCH not in contract.operations
    return Operation.COUNT if counts else Operation.MATCH


def bank_actor(held: ContractVersion) -> str:
    """The bank of a contract, as the ledger names who did something."""
    return f"bank:{held.bank_id}"
