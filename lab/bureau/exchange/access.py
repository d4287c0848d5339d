"""Access control for every request of a bank: contract, job, model, and the one enforcement point, in one transaction.

``AccessControl`` finds what a request is about (its job, and with it the model, recipient and items), and calls
``lab.bureau.contracts.authorise``. A job continues when its contract is amended, if the version in force allows what
the job was opened for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest, authorise
from lab.bureau.contracts.repository import ContractVersion, find_version
from lab.bureau.exchange.jobs import ContractJob, JobParameters, check_open, find_job, job_not_found, lock_contract
from lab.bureau.model_registry.registry import ModelCache, ModelVersion, find_model
from lab.terms.contract.document import Contract, Operation, ReleaseForm, ResultDetail
from lab.terms.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """An authorised request: the version of the contract in force, the job, and its model."""

    contract_version: ContractVersion
    job: ContractJob
    model_version: ModelVersion
    detail: ResultDetail
    """The detail of the job's replies: as in the version it was opened under."""

    @property
    def contract(self) -> Contract:
        """The version in force."""
        return self.contract_version.contract

    @property
    def actor(self) -> str:
        """The bank, as the ledger names it."""
        return bank_actor(self.contract_version)


class AccessControl:
    """Authorises requests. Safe to use from several threads."""

    def __init__(self, models: ModelCache) -> None:
        self._models = models

    def authorise_request(
        self,
        session: Session,
        contract_id: str,
        operation: Operation,
        job_id: str,
        now: datetime,
        request: AccessRequest = AccessRequest(),
        *,
        lock: bool = False,
    ) -> AccessGrant:
        """Authorise a request of an open job; ``request`` has its size. ``lock``: lock the contract, for a charge.

        Raises what ``authorise`` raises, ``NotFound`` for a job that was never opened and ``NotAllowed`` for one that
        is not open, or whose engine or parameters an amendment has changed.
        """
        if lock:
            lock_contract(session, contract_id)
        job = find_job(session, contract_id, job_id)
        if job is None:
            authorise(session, contract_id, operation, request, now)
            raise job_not_found(contract_id)
        opened = find_version(session, contract_id, job.version).contract
        model = find_model(session, job.parameters.model, job.parameters.model_version)
        request = replace(
            request, recipient=job.parameters.recipient, job_rows=job.parameters.rows, detail=opened.detail
        )
        version = authorise(session, contract_id, operation, self._add_model(request, model, operation), now)
        check_open(job)
        for term, before, present in (
            ("engine", opened.engine, version.contract.engine),
            ("parameters", opened.parameters, version.contract.parameters),
        ):
            if before != present:
                raise NotAllowed(
                    f"Contract {contract_id} was amended since job {job.id} was opened (term: {term}).",
                    next_step="open another job",
                )
        return AccessGrant(version, job, model, opened.detail)

    def authorise_opening(
        self, session: Session, contract_id: str, parameters: JobParameters, now: datetime
    ) -> tuple[ContractVersion, ModelVersion]:
        """Authorise the opening of a job; locks the contract. Raises what ``authorise`` raises.

        The job is opened for matching, or for counting if the contract allows counting and not matching; each request
        in it is authorised for its own operation.
        """
        lock_contract(session, contract_id)
        contract = find_version(session, contract_id).contract
        operation = _opening_operation(contract)
        request = AccessRequest(recipient=parameters.recipient, job_rows=parameters.rows, detail=contract.detail)
        try:
            model = find_model(session, parameters.model, parameters.model_version)
        except NotFound:
            # A bank must not find out by trying which models exist: the contract is checked first.
            named = replace(request, model=(parameters.model, parameters.model_version))
            authorise(session, contract_id, operation, named, now)
            raise
        return authorise(session, contract_id, operation, self._add_model(request, model, operation), now), model

    def _add_model(self, request: AccessRequest, model: ModelVersion, operation: Operation) -> AccessRequest:
        """Add the model's version, and the items that it reads as inputs, to a request. A count reads none."""
        request = replace(request, model=(model.name, model.version))
        if operation is Operation.COUNT:
            return request
        items = frozenset(item.code for item in self._models.load(model).public_items())
        return replace(request, items=items, form=ReleaseForm.MODEL_INPUT_ONLY)


def _opening_operation(contract: Contract) -> Operation:
    counts = Operation.COUNT in contract.operations and Operation.MATCH not in contract.operations
    return Operation.COUNT if counts else Operation.MATCH


def bank_actor(version: ContractVersion) -> str:
    """The bank of a contract, as the ledger names it."""
    return f"bank:{version.bank_id}"
