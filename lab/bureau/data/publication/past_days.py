"""What must be known before a version is published for a day that is over.

Records that counted on that day may have been put right since: repaired, removed, corrected, or under an objection. New
scores must not count them, so such a version is refused for a register that published models read. Under another name
it may be published for study, and is told to be superseded from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import duckdb
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.credit_repair.cases.states import FAVOURABLE
from lab.bureau.data.credit_repair.exclusion import cases_by_domain, records_out_by_cases, records_out_by_rules
from lab.bureau.data.credit_repair.rules.in_force import rules_in_force
from lab.bureau.data.features.stored_tables import FeatureInputs
from lab.bureau.data.records import RecordStore, open_records
from lab.bureau.store.tables import ModelRow, RepairCaseRow, SupersededVersionRow
from lab.terms.errors import Conflict, NotAllowed


@dataclass(frozen=True, slots=True)
class PutRightSince:
    """Records that count on the day of a version and do not count today, in the domains that features read.

    ``records``: those that were put right since, by domain. ``expired``: how many merely reached the end of their term.
    ``cases``: ids of the decided cases that put some right. ``cases_seen``: how many cases there were, to notice one
    that is opened or decided meanwhile.
    """

    records: Mapping[str, int] = field(default_factory=dict)
    expired: int = 0
    cases: tuple[str, ...] = ()
    cases_seen: tuple[int, int] = (0, 0)

    @property
    def count(self) -> int:
        """How many records were put right since."""
        return sum(self.records.values())


def records_put_right_since(
    session: Session, records: RecordStore, inputs: FeatureInputs, today: date
) -> PutRightSince:
    """Find them, from all that is known now; nothing for ``today`` itself."""
    seen = _count_cases(session)
    if inputs.day >= today:
        return PutRightSince(cases_seen=seen)
    read = {domain for one in inputs.features.definitions for domain in one.domains}
    rules = rules_in_force(session, today)
    cases = {domain: rows for domain, rows in cases_by_domain(session, sorted(read)).items() if rows}
    sources = {one.domain: one for one in rules.sources if one.domain in read}
    wanted = sorted({*cases, *sources})
    if not wanted:
        return PutRightSince(cases_seen=seen)
    head, catalogue = records.head(session), inputs.catalogue
    by_case: dict[str, set[str]] = {}
    lapsed: dict[str, set[str]] = {}
    with open_records(records, inputs.manifest, catalogue, day=inputs.day, domains=wanted) as then:
        counted = {domain: _present(then, domain) - set(inputs.left_out.get(domain, ())) for domain in wanted}
        for domain in wanted:
            by_case[domain] = records_out_by_cases(then, domain, cases.get(domain, ()), today) & counted[domain]
            lapsed[domain] = records_out_by_rules(then, sources[domain], today) if domain in sources else set()
    with open_records(records, head, catalogue, day=today, domains=wanted) as now:
        by_source = {
            domain: (records_out_by_rules(now, source, today) - lapsed[domain]) & counted[domain]
            for domain, source in sources.items()
        }
    put_right = {domain: by_case[domain] | by_source.get(domain, set()) for domain in wanted}
    return PutRightSince(
        {domain: len(found) for domain, found in put_right.items() if found},
        sum(len((lapsed[domain] & counted[domain]) - put_right[domain]) for domain in wanted),
        tuple(case.id for domain in cases for case in cases[domain] if _put_right(case, by_case[domain])),
        seen,
    )


def refuse_put_right(session: Session, register: str, day: date, found: PutRightSince) -> None:
    """Raise ``NotAllowed`` if published models read the register and it would count records that were put right, and
    ``Conflict`` if a case was opened or decided since they were counted."""
    if _count_cases(session) != found.cases_seen:
        raise Conflict("A case of credit repair was opened or decided just now.", next_step="publish again")
    query = select(func.count()).select_from(ModelRow)
    models = session.scalar(query.where(ModelRow.register == register, ModelRow.state == "published")) or 0
    if found.count and models:
        raise NotAllowed(
            f"Expected a version without records that were put right; {found.count} that counted on {day} were "
            f"repaired, removed, corrected or objected to since, and {models} published models score with register "
            f"{register}.",
            next_step="publish for today; to study that day, publish under another name with --register",
        )


def mark_superseded(session: Session, register: str, version: int, found: PutRightSince) -> None:
    """Note, in the version's transaction, that it counts records that cases had put right before it was published."""
    for case in found.cases:
        session.add(SupersededVersionRow(case_id=case, register=register, version=version))
    session.flush()


def _present(connection: duckdb.DuckDBPyConnection, domain: str) -> set[str]:
    return {str(record) for (record,) in connection.execute(f'SELECT record FROM "{domain}"').fetchall()}


def _put_right(case: RepairCaseRow, records: set[str]) -> bool:
    return case.record in records and case.state in {state.value for state in FAVOURABLE}


def _count_cases(session: Session) -> tuple[int, int]:
    """All cases, and those that are decided."""
    found = session.execute(select(func.count(), func.count(RepairCaseRow.decided_at)).select_from(RepairCaseRow)).one()
    return int(found[0]), int(found[1])
