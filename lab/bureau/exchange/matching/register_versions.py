"""Versions of the registers: which there are, what needs each, and the removal of one that nothing needs.

The newest version of a register is what contracts and models read; it is never removed, so no version's number is given
twice. An older one is needed by a batch that was charged and not answered yet, and by a job that may still send batches
made against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts.repository import current_state, list_versions
from lab.bureau.contracts.workflow import FINAL_STATES
from lab.bureau.exchange.matching.evaluated_register import EvaluatedRegisterStore
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import (
    BatchRow,
    CatalogueItemRow,
    DriftCheckRow,
    JobRow,
    ModelRow,
    RegisterOriginRow,
    RegisterRow,
)
from lab.disk.checked_blocks import table_path
from lab.terms.errors import Conflict, NotFound

_FILES = ("parquet", "columns.json", "rejected.csv")


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """One version of a register. ``newest``: what contracts and models read. ``open_jobs`` and ``waiting_batches``: how
    many may still need it. ``replaced_at``: when the next version that is kept was stored."""

    register: str
    version: int
    rows: int
    set_aside: int
    columns_sha256: str
    sha256: str
    imported_at: datetime
    newest: bool
    open_jobs: int
    waiting_batches: int
    replaced_at: datetime | None

    def was_in_use(self, day: date) -> bool:
        """Whether scores of this day (UTC) could come from it: stored by its end, not replaced before it."""
        return self.imported_at.date() <= day and (self.replaced_at is None or self.replaced_at.date() >= day)

    @property
    def is_needed(self) -> bool:
        """Whether it cannot be removed."""
        return self.newest or bool(self.open_jobs or self.waiting_batches)


def list_register_versions(session: Session, now: datetime, register: str | None = None) -> list[RegisterVersion]:
    """The versions of one register or of all, by name, newest first."""
    query = select(RegisterRow).order_by(RegisterRow.name, RegisterRow.version.desc())
    if register is not None:
        query = query.where(RegisterRow.name == register)
    found: list[RegisterVersion] = []
    newer: RegisterRow | None = None
    for row in session.scalars(query):
        if newer is not None and newer.name != row.name:
            newer = None
        found.append(_describe(session, row, newer, now))
        newer = row
    return found


def remove_register_version(
    store: Database, home: BureauHome, evaluated: EvaluatedRegisterStore, register: str, version: int, now: datetime
) -> RegisterVersion:
    """Remove a version: its row, items and comparisons with a ledger entry, then its files and evaluations.

    Files that an interrupted removal left behind are removed as well. Raises ``NotFound``, and ``Conflict`` if
    something needs the version.
    """
    with store.begin() as session:
        found = {one.version: one for one in list_register_versions(session, now, register)}
        if not found:
            raise NotFound(f"No register {register} is imported here.", next_step="see `lab bureau register list`")
        chosen = found.get(version)
        if chosen is None:
            _remove_files(home, register, version)
            raise NotFound(f"Register {register} has no version {version}.", next_step="see `lab bureau register list`")
        _refuse_needed(chosen)
        key: dict[str, Fact] = {"register": register, "version": version}
        session.execute(delete(DriftCheckRow).filter_by(register=register, register_version=version))
        session.execute(delete(CatalogueItemRow).filter_by(**key))
        session.execute(delete(RegisterOriginRow).filter_by(**key))
        session.execute(delete(RegisterRow).filter_by(name=register, version=version))
        record(session, "register.removed", None, key | {"rows": chosen.rows, "sha256": chosen.sha256}, by=LOCAL_ACTOR)
    _remove_files(home, register, version)
    evaluated.remove_register_version(register, version, chosen.sha256)
    return chosen


def _refuse_needed(chosen: RegisterVersion) -> None:
    name = f"version {chosen.version} of register {chosen.register}"
    if chosen.newest:
        raise Conflict(
            f"Expected a version that nothing needs; {name} is the newest, which contracts and models read.",
            next_step="import a newer version first",
        )
    if chosen.is_needed:
        raise Conflict(
            f"Expected a version that nothing needs; {chosen.open_jobs} open jobs and {chosen.waiting_batches} batches "
            f"without an answer may need {name}.",
            next_step="wait until they have ended; see `lab bureau register list`",
        )


def _describe(session: Session, row: RegisterRow, newer: RegisterRow | None, now: datetime) -> RegisterVersion:
    return RegisterVersion(
        register=row.name,
        version=row.version,
        rows=row.rows,
        set_aside=row.set_aside,
        columns_sha256=row.columns_sha256 or "",
        sha256=row.sha256,
        imported_at=row.imported_at,
        newest=newer is None,
        open_jobs=0 if newer is None else _open_jobs(session, row.name, newer.imported_at, now),
        waiting_batches=_waiting_batches(session, row.name, row.version),
        replaced_at=None if newer is None else newer.imported_at,
    )


def _open_jobs(session: Session, register: str, replaced_at: datetime, now: datetime) -> int:
    """The open jobs of contracts in force that began while an older version was the newest."""
    query = _jobs_of(register).where(JobRow.state != "ended", JobRow.opened_at <= replaced_at)
    contracts: Sequence[str] = session.scalars(query.with_only_columns(JobRow.contract_id)).all()
    in_force = {
        one
        for one in set(contracts)
        if any(current_state(held, now) not in FINAL_STATES for held in list_versions(session, one))
    }
    return sum(one in in_force for one in contracts)


def _waiting_batches(session: Session, register: str, version: int) -> int:
    jobs = _jobs_of(register).with_only_columns(JobRow.contract_id, JobRow.id).subquery()
    query = (
        select(func.count())
        .select_from(BatchRow)
        .join(jobs, (jobs.c.contract_id == BatchRow.contract_id) & (jobs.c.id == BatchRow.job_id))
    )
    return session.scalar(query.where(BatchRow.state == "charged", BatchRow.register_version == version)) or 0


def _jobs_of(register: str) -> Select[JobRow]:
    """The jobs whose model reads the register."""
    model = (ModelRow.name == JobRow.model) & (ModelRow.version == JobRow.model_version)
    return select(JobRow).join(ModelRow, model).where(ModelRow.register == register)


def _remove_files(home: BureauHome, register: str, version: int) -> None:
    for ending in _FILES:
        file = home.path(f"registers/{register}-{version}.{ending}")
        file.unlink(missing_ok=True)
        table_path(file).unlink(missing_ok=True)  # its digests
