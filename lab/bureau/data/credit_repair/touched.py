"""The portraits that a case touched: by contract and job, those that scored the enterprise while its record counted.

The enterprise is found in the store by the record, and its scores by its pseudonym; its code is in no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.credit_repair.cases.record_lookup import find_enterprise
from lab.bureau.data.credit_repair.cases.states import RegisterVersionRef
from lab.bureau.data.credit_repair.cases.storage import find_case
from lab.bureau.data.records import RecordStore
from lab.bureau.key_management.pseudonyms import Pseudonymiser, current_pseudonyms
from lab.bureau.store.tables import BankRow, BatchRow, ContractRow, InquiryRow, JobRow, ModelRow, SupersededVersionRow
from lab.terms.errors import Conflict

_RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class TouchedJob:
    """A job whose portraits counted the record. ``exact``: it scored this very enterprise; otherwise the enterprise
    could not be found, and the job only used the register version. ``scored_again``: by a later job of the contract."""

    contract: str
    bank: str
    job: str
    register: str
    version: int
    scored_at: datetime
    exact: bool
    scored_again: bool

    def as_dict(self) -> dict[str, Any]:
        """The job for programs."""
        return {
            "contract": self.contract,
            "bank": self.bank,
            "job": self.job,
            "register": self.register,
            "version": self.version,
            "scored_at": self.scored_at.isoformat(timespec="seconds"),
            "exact": self.exact,
            "scored_again": self.scored_again,
        }


@dataclass(frozen=True, slots=True)
class TouchedPortraits:
    """What a case touched: register versions that counted its record, and jobs by contract."""

    case: str
    versions: tuple[RegisterVersionRef, ...]
    jobs: tuple[TouchedJob, ...]


def touched_portraits(
    session: Session, records: RecordStore, catalogue: Catalogue, keys: Pseudonymiser, case_id: str
) -> TouchedPortraits:
    """The jobs that a decided case touched, by contract and time; raises ``NotFound``, and ``Conflict`` for a case
    that is open: what it touches is known once it is decided."""
    case = find_case(session, case_id)
    if case.decided_at is None:
        raise Conflict(f"The case {case.id} is open.", next_step="decide it first, with `lab steward`")
    row = SupersededVersionRow
    found = session.execute(
        select(row.register, row.version).where(row.case_id == case.id).order_by(row.register, row.version)
    )
    versions = tuple(RegisterVersionRef(register, version) for register, version in found)
    code = find_enterprise(records, records.head(session), catalogue, case.domain, case.record)
    pseudonym = current_pseudonyms(session, keys, [code])[0] if code is not None else None
    return TouchedPortraits(case.id, versions, tuple(_jobs(session, versions, pseudonym)))


def _jobs(session: Session, versions: Sequence[RegisterVersionRef], pseudonym: str | None) -> list[TouchedJob]:
    if not versions:
        return []
    superseded = {(one.register, one.version) for one in versions}
    batches = list(session.execute(_scored_batches(versions, pseudonym)))
    later: dict[str, datetime] = {}
    if pseudonym is not None:
        contracts = {batch.contract_id for batch in batches}
        for batch in session.execute(_scored_batches((), pseudonym).where(BatchRow.contract_id.in_(contracts))):
            if (batch.register, batch.register_version) not in superseded:
                later[batch.contract_id] = batch.charged_at  # in the order of time: the last one stays
    named = select(ContractRow.id, BankRow.name).join(BankRow, BankRow.id == ContractRow.bank_id)
    banks = {row[0]: row[1] for row in session.execute(named)}
    found: dict[tuple[str, str, str, int], TouchedJob] = {}
    for batch in batches:
        contract, at = batch.contract_id, batch.charged_at
        again = contract in later and later[contract] > at
        job = TouchedJob(
            contract=contract,
            bank=banks.get(contract, ""),
            job=batch.job_id,
            register=batch.register,
            version=batch.register_version,
            scored_at=at,
            exact=pseudonym is not None,
            scored_again=again,
        )
        found.setdefault((contract, job.job, job.register, job.version), job)
    return list(found.values())


def _scored_batches(
    versions: Sequence[RegisterVersionRef], pseudonym: str | None
) -> Select[str, str, str, int, datetime]:
    """Batches that were charged, by contract and time: those of these register versions (none given: all), and those
    with the enterprise of this pseudonym (None: with any)."""
    batch, job, model, inquiry = BatchRow, JobRow, ModelRow, InquiryRow
    query = (
        select(batch.contract_id, batch.job_id, model.register, batch.register_version, batch.charged_at)
        .join(job, and_(job.contract_id == batch.contract_id, job.id == batch.job_id))
        .join(model, and_(model.name == job.model, model.version == job.model_version))
        .where(batch.state != _RETURNED)
        .order_by(batch.contract_id, batch.charged_at, batch.job_id)
    )
    if versions:
        used = (and_(model.register == one.register, batch.register_version == one.version) for one in versions)
        query = query.where(or_(*used))
    if pseudonym is not None:
        same = (
            inquiry.contract_id == batch.contract_id,
            inquiry.job_id == batch.job_id,
            inquiry.batch == batch.sha256,
        )
        query = query.join(inquiry, and_(*same)).where(inquiry.enterprise == pseudonym)
    return query
