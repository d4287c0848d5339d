"""Which published register versions counted given records, and which contracts' jobs scored with those versions.

Asked before records are deleted or corrected. A version counted a record if what it was computed from has it: known on
its day, holding from that day or before, and not left out. Where what was left out then is no longer known, a record
is taken to have counted. A version that was imported from a file names no records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.credit_repair.exclusion import excluded_records
from lab.bureau.data.credit_repair.superseded_versions import (
    SUPERSEDED_FACT,
    manifest_of_origin,
    origins_of_domain,
)
from lab.bureau.data.features.stored_tables import hash_left_out
from lab.bureau.data.records import Manifest, RecordStore, open_records
from lab.bureau.ledger import Fact
from lab.bureau.store.tables import BankRow, BatchRow, ContractRow, JobRow, ModelRow, RegisterOriginRow
from lab.terms.errors import ShulabError

_RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class CountingVersion:
    """A register version that counted ``records`` of the records, computed for ``day``."""

    register: str
    version: int
    day: date
    records: int

    @property
    def name(self) -> str:
        """``main-3``, as the ledger names it."""
        return f"{self.register}-{self.version}"


@dataclass(frozen=True, slots=True)
class ScoringRun:
    """A contract's job that scored with such a version."""

    contract: str
    bank: str
    job: str
    register: str
    version: int


@dataclass(frozen=True, slots=True)
class RecordUse:
    """What used the records: register versions by name and number, and jobs by contract and name."""

    versions: tuple[CountingVersion, ...] = ()
    runs: tuple[ScoringRun, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        versions = [
            {"register": one.register, "version": one.version, "day": one.day.isoformat(), "records": one.records}
            for one in self.versions
        ]
        runs = [
            {
                "contract": one.contract,
                "bank": one.bank,
                "job": one.job,
                "register": one.register,
                "version": one.version,
            }
            for one in self.runs
        ]
        return {"versions": versions, "runs": runs}

    def facts(self) -> dict[str, Fact]:
        """For the ledger's entry of a deletion: the versions, how many of the records each had counted, and the
        contracts with how many jobs. Empty if nothing used the records."""
        if not self.versions:
            return {}
        return {
            SUPERSEDED_FACT: [one.name for one in self.versions],
            "counted_records": [f"{one.name}: {one.records}" for one in self.versions],
            "contracts": sorted({one.contract for one in self.runs}),
            "jobs": len({(one.contract, one.job) for one in self.runs}),
        }


def find_use(
    session: Session, records: RecordStore, catalogue: Catalogue, domain: str, ids: pl.Series, head: Manifest
) -> RecordUse:
    """What used the records ``ids`` (String [records]) of a domain, as ``head`` has them. Raises ``DamagedFile``."""
    if ids.is_empty():
        return RecordUse()
    counted: dict[tuple[str, date], int] = {}
    found = []
    for origin, _ in origins_of_domain(session, domain):
        day = date.fromisoformat(origin.day)
        manifest = manifest_of_origin(head, origin.manifest_sha256, day)
        if manifest is None:
            continue  # the records were put back to an earlier state since; the version cannot be traced
        left_out = _left_out(session, records, catalogue, manifest, origin, domain)
        key = (f"{manifest.sha256} {origin.left_out_sha256}", day)
        if key not in counted:
            counted[key] = _count(records, manifest, catalogue, domain, day, ids, left_out)
        if counted[key]:
            found.append(CountingVersion(origin.register, origin.version, day, counted[key]))
    return RecordUse(tuple(found), tuple(_runs(session, found)))


def _left_out(
    session: Session,
    records: RecordStore,
    catalogue: Catalogue,
    manifest: Manifest,
    origin: RegisterOriginRow,
    domain: str,
) -> pl.Series | None:
    """The ids that the version left out; None if nothing says for certain which."""
    try:
        found = excluded_records(session, records, catalogue, manifest, date.fromisoformat(origin.day))
    except (ShulabError, duckdb.Error):  # rules or catalogue do not fit what was known then
        return None
    return found.get(domain) if hash_left_out(found) == origin.left_out_sha256 else None


def _count(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    domain: str,
    day: date,
    ids: pl.Series,
    left_out: pl.Series | None,
) -> int:
    excluded = {domain: left_out} if left_out is not None else None
    with open_records(records, manifest, catalogue, day=day, domains=[domain], excluded=excluded) as connection:
        (scratch,) = connection.execute("SELECT current_setting('temp_directory')").fetchone() or ("",)
        asked = Path(scratch) / "asked.parquet"
        ids.alias("record").to_frame().write_parquet(asked)
        query = f'SELECT count(*) FROM "{domain}" SEMI JOIN read_parquet(?) AS asked USING (record)'
        row = connection.execute(query, [str(asked)]).fetchone()
    return int(row[0]) if row is not None else 0


def _runs(session: Session, versions: Sequence[CountingVersion]) -> Iterator[ScoringRun]:
    """The jobs that were charged for scores with one of these versions, each once."""
    if not versions:
        return
    batch, job, model, contract, bank = BatchRow, JobRow, ModelRow, ContractRow, BankRow
    used = {(one.register, one.version) for one in versions}
    query = (
        select(batch.contract_id, bank.name, batch.job_id, model.register, batch.register_version)
        .join(job, and_(job.contract_id == batch.contract_id, job.id == batch.job_id))
        .join(model, and_(model.name == job.model, model.version == job.model_version))
        .join(contract, contract.id == batch.contract_id)
        .join(bank, bank.id == contract.bank_id)
        .where(batch.state != _RETURNED, batch.register_version.in_({one.version for one in versions}))
        .distinct()
        .order_by(batch.contract_id, batch.job_id, model.register, batch.register_version)
    )
    for contract_id, name, job_id, register, version in session.execute(query):
        if (register, version) in used:
            yield ScoringRun(contract_id, name, job_id, register, version)
