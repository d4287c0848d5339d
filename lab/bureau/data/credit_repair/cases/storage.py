"""Cases in the database: opening, deciding and listing them, each change with its ledger entry in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lab.bureau.data.credit_repair.cases.recorded_cases import DECIDED_ENTRY, OPENED_ENTRY, check_cases
from lab.bureau.data.credit_repair.cases.states import OUTCOMES, CaseDecision, CaseState
from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.bureau.data.credit_repair.rules.working_days import DueDay
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import RepairCaseRow, SupersededVersionRow
from lab.terms.errors import Conflict, InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class CaseOpening:
    """What is written when a case is opened. Texts hold no enterprise's code."""

    kind: CaseKind
    domain: str
    record: str
    evidence: str
    grounds: str
    rules_sha256: str
    due: DueDay


@dataclass(frozen=True, slots=True)
class CaseDetails:
    """One case, as people see it."""

    id: str
    kind: str
    domain: str
    record: str
    state: str
    opened_on: date
    opened_by: str
    due_on: date
    due_certain: bool
    evidence: str
    grounds: str
    decided_on: date | None
    decided_by: str | None
    reason: str | None
    days_left: int | None
    """Calendar days from today to the due day, negative when late; None once decided."""
    late: bool
    """Open after its due day, or decided after it."""

    def as_dict(self) -> dict[str, Any]:
        """The case for programs; days as ISO texts."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}


def insert_case(session: Session, opening: CaseOpening, *, now: datetime, today: date, by: str) -> RepairCaseRow:
    """Open a case, with its entry; raises ``Conflict`` if one of the kind is open for the record."""
    key = f"{opening.kind.value}:{opening.record}"
    open_case = session.scalar(select(RepairCaseRow.id).where(RepairCaseRow.open_key == key).with_for_update())
    if open_case is not None:
        raise Conflict(
            f"The case {open_case} of this kind is open for the record.",
            next_step=f"decide it first: `lab steward {_group(opening.kind)} decide {open_case}`",
        )
    row = RepairCaseRow(
        id=f"{opening.kind.value[0]}-{secrets.token_hex(6)}",
        kind=opening.kind.value,
        domain=opening.domain,
        record=opening.record,
        state=CaseState.OPEN.value,
        open_key=key,
        opened_at=now,
        opened_on=today,
        due_on=opening.due.day,
        due_certain=opening.due.certain,
        opened_by=by,
        evidence=opening.evidence,
        grounds=opening.grounds,
        rules_sha256=opening.rules_sha256,
        decided_at=None,
        decided_on=None,
        decided_by=None,
        reason=None,
    )
    session.add(row)
    session.flush()
    record(session, OPENED_ENTRY[opening.kind], None, _opened_facts(row), by=by)
    return row


def decide_case(
    session: Session, case_id: str, decision: CaseDecision, *, now: datetime, today: date, by: str
) -> RepairCaseRow:
    """Close an open case, with its entry.

    Raises ``NotFound``; ``InvalidInput`` for an outcome of the other kind; ``Conflict`` for a case that was decided.
    """
    row = session.get(RepairCaseRow, case_id, with_for_update=True)
    if row is None:
        raise unknown_case()
    possible, outcome = OUTCOMES[CaseKind(row.kind)], decision.outcome
    if outcome not in possible:
        raise InvalidInput(
            f"Expected one of the outcomes {possible[0]} and {possible[1]} for this kind of case; found {outcome}.",
            next_step="choose one of the two",
        )
    if row.state != CaseState.OPEN:
        raise Conflict(
            f"The case {row.id} is decided already: {row.state}.",
            next_step="open another case if there are new reasons",
        )
    row.state, row.open_key = outcome.value, None
    row.decided_at, row.decided_on, row.decided_by, row.reason = now, today, by, decision.reason
    session.flush()
    for one in decision.superseded:
        session.add(SupersededVersionRow(case_id=row.id, register=one.register, version=one.version))
    facts: dict[str, Fact] = {
        "case": row.id,
        "domain": row.domain,
        "record": row.record,
        "decided": today.isoformat(),
        "due": row.due_on.isoformat(),
        "late": int(today > row.due_on),
        "reason": decision.reason,
        "superseded": [str(one) for one in decision.superseded],
    }
    record(session, DECIDED_ENTRY[outcome], None, facts, by=by)
    return row


def find_case(session: Session, case_id: str) -> RepairCaseRow:
    """The case; raises ``NotFound``."""
    row = session.get(RepairCaseRow, case_id)
    if row is None:
        raise unknown_case()
    return row


def select_cases(
    session: Session,
    *,
    kind: CaseKind | None = None,
    open_only: bool = False,
    late_on: date | None = None,
    after: str = "",
    limit: int = 100,
) -> list[RepairCaseRow]:
    """Cases by the day they are due and their id, at most ``limit``, those after the case ``after``.

    ``late_on``: only open ones whose due day is before this day.
    """
    row = RepairCaseRow
    query = select(row).order_by(row.due_on, row.id).limit(limit)
    if kind is not None:
        query = query.where(row.kind == kind.value)
    if open_only or late_on is not None:
        query = query.where(row.state == CaseState.OPEN.value)
    if late_on is not None:
        query = query.where(row.due_on < late_on)
    if after:
        last = find_case(session, after)
        query = query.where(or_(row.due_on > last.due_on, (row.due_on == last.due_on) & (row.id > last.id)))
    return list(session.scalars(query))


def cases_of_record(session: Session, domain: str, record_id: str) -> list[RepairCaseRow]:
    """All cases about one record, in the order they were opened."""
    row = RepairCaseRow
    return list(
        session.scalars(select(row).where(row.domain == domain, row.record == record_id).order_by(row.opened_at))
    )


def cases_that_weigh(session: Session, domains: Sequence[str]) -> list[RepairCaseRow]:
    """The cases that may keep a record of these domains from counting: all but refused repairs."""
    row = RepairCaseRow
    check_cases(session)
    wanted = select(row).where(row.domain.in_(domains), row.state != CaseState.REFUSED.value)
    return list(session.scalars(wanted.order_by(row.opened_at, row.id)))


def describe_case(row: RepairCaseRow, today: date) -> CaseDetails:
    """The case as people see it on this day."""
    is_open = row.state == CaseState.OPEN
    return CaseDetails(
        id=row.id,
        kind=row.kind,
        domain=row.domain,
        record=row.record,
        state=row.state,
        opened_on=row.opened_on,
        opened_by=row.opened_by,
        due_on=row.due_on,
        due_certain=row.due_certain,
        evidence=row.evidence,
        grounds=row.grounds,
        decided_on=row.decided_on,
        decided_by=row.decided_by,
        reason=row.reason,
        days_left=(row.due_on - today).days if is_open else None,
        late=(today if row.decided_on is None else row.decided_on) > row.due_on,
    )


def unknown_case() -> NotFound:
    """The error for a case that is not there."""
    return NotFound("There is no such case.", next_step="see `lab steward repair list`")


def _opened_facts(row: RepairCaseRow) -> dict[str, Fact]:
    return {
        "case": row.id,
        "domain": row.domain,
        "record": row.record,
        "opened": row.opened_on.isoformat(),
        "due": row.due_on.isoformat(),
        "due_certain": int(row.due_certain),
        "evidence": row.evidence,
        "grounds": row.grounds,
        "rules": row.rules_sha256,
    }


def _group(kind: CaseKind) -> str:
    return kind.value
