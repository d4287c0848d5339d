"""Versions of registers that counted an adverse record which a case then kept from counting, or a record which was
deleted though a version had counted it.

They are found when the case is decided or the record deleted, from what each version was published from: its day, its
manifest of records, and the cases as they were when it was published. A version that was imported from a file names no
records. What a deletion superseded is kept in its own ledger entry, so that both are one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.credit_repair.cases.record_lookup import read_adverse_record
from lab.bureau.data.credit_repair.cases.states import CaseState, RegisterVersionRef
from lab.bureau.data.credit_repair.rules.definition import AdverseSource
from lab.bureau.data.credit_repair.rules.in_force import rules_in_force
from lab.bureau.data.credit_repair.standing import record_standing
from lab.bureau.data.records import Manifest, RecordStore
from lab.bureau.store.tables import (
    LedgerEntryRow,
    RegisterOriginRow,
    RegisterRow,
    RepairCaseRow,
    SupersededVersionRow,
)

SUPERSEDED_FACT: Final = "superseded_versions"
"""Of a ledger entry of deleted records: the versions that had counted some of them, each ``REGISTER-VERSION``."""


def superseded_versions(session: Session, register: str) -> tuple[int, ...]:
    """The versions of a register that counted a record which a case keeps from counting now, or which was deleted
    since, ascending."""
    row = SupersededVersionRow
    found = set(session.scalars(select(row.version).where(row.register == register).distinct()))
    found |= {one.version for one in _superseded_by_deletions(session) if one.register == register}
    return tuple(sorted(found))


def _superseded_by_deletions(session: Session) -> Iterator[RegisterVersionRef]:
    entry = LedgerEntryRow
    query = select(entry.body).where(entry.kind == "records.deleted", entry.body.contains(f'"{SUPERSEDED_FACT}"'))
    for body in session.scalars(query):
        for named in json.loads(body)["facts"].get(SUPERSEDED_FACT, ()):
            register, _, version = named.rpartition("-")
            yield RegisterVersionRef(register, int(version))


def versions_that_counted(
    session: Session, records: RecordStore, catalogue: Catalogue, cases: Sequence[RepairCaseRow]
) -> list[RegisterVersionRef]:
    """The versions that counted the one record that all ``cases`` are about, by name and number.

    Reads what was known on the day of each version that uses the record's domain. Raises ``DamagedFile``.
    """
    domain, record_id = cases[0].domain, cases[0].record
    head = records.head(session)
    found = []
    for origin, published_at in origins_of_domain(session, domain):
        day = date.fromisoformat(origin.day)
        manifest = manifest_of_origin(head, origin.manifest_sha256, day)
        source = rules_in_force(session, day).source(domain)
        if manifest is None or source is None:
            continue
        if _counted(records, manifest, catalogue, source, record_id, cases, _Publication(day, published_at)):
            found.append(RegisterVersionRef(origin.register, origin.version))
    return found


def count_published_versions(session: Session) -> int:
    """How many versions were published from records, to notice one that was published meanwhile."""
    return session.scalar(select(func.count()).select_from(RegisterOriginRow)) or 0


@dataclass(frozen=True, slots=True)
class _Publication:
    """The day that a version was computed for, and when it was published."""

    day: date
    at: datetime


def origins_of_domain(session: Session, domain: str) -> Iterator[tuple[RegisterOriginRow, datetime]]:
    """The versions that were published from a domain, by name and number, with the time of publication."""
    row, version = RegisterOriginRow, RegisterRow
    query = (
        select(row, version.imported_at)
        .join(version, (version.name == row.register) & (version.version == row.version))
        .order_by(row.register, row.version)
    )
    for origin, published_at in session.execute(query):
        if any(item.partition(".")[0] == domain for item in _items_of(origin.lineage)):
            yield origin, published_at


def _items_of(lineage: str) -> Iterator[str]:
    for column in json.loads(lineage):
        yield from (str(source["code"]) for source in column["sources"])


def manifest_of_origin(head: Manifest, sha256: str, day: date) -> Manifest | None:
    """The beginning of ``head`` that a version was computed from; None if the records were put back since."""
    usual = head.as_of(day)
    if usual.sha256 == sha256:
        return usual
    parts = (Manifest(head.segments[:count]) for count in range(len(head.segments), 0, -1))
    return next((one for one in parts if one.sha256 == sha256), None)


def _counted(
    records: RecordStore,
    manifest: Manifest,
    catalogue: Catalogue,
    source: AdverseSource,
    record_id: str,
    cases: Sequence[RepairCaseRow],
    published: _Publication,
) -> bool:
    found = read_adverse_record(records, manifest, catalogue, source, record_id, published.day)
    if found is None or not record_standing(source, found.values, published.day).counts:
        return False
    return not any(_kept_out(case, found.known_on, published) for case in cases)


def _kept_out(case: RepairCaseRow, known_on: date, published: _Publication) -> bool:
    """Whether a case kept its record out of a version, by what was decided when the version was published."""
    if case.opened_at > published.at or case.opened_on > published.day:
        return False
    decided = case.decided_at is not None and case.decided_at <= published.at
    if not decided or case.decided_on is None or case.decided_on > published.day:
        return case.kind == "objection"
    if case.state == CaseState.UPHELD:
        return known_on <= case.opened_on
    return case.state == CaseState.GRANTED
