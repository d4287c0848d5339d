"""The cases of credit repair, and objections, about an enterprise's records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.records import EnterpriseRecords
from lab.bureau.store.tables import RepairCaseRow


def cases_of(session: Session, found: EnterpriseRecords) -> dict[str, list[dict[str, Any]]]:
    """The cases of credit repair and objections about these records, by domain; as they are now."""
    listed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for domain in {*found.current, *found.history}:
        versions = (*found.current.get(domain, ()), *found.history.get(domain, ()))
        for row in _rows(session, domain, {one.record for one in versions}):
            listed[domain].append(
                {
                    "case": row.id,
                    "kind": row.kind,
                    "record": row.record,
                    "state": row.state,
                    "opened_on": row.opened_on.isoformat(),
                    "decided_on": row.decided_on.isoformat() if row.decided_on is not None else None,
                }
            )
    return dict(listed)


def _rows(session: Session, domain: str, records: Iterable[str]) -> Iterable[RepairCaseRow]:
    query = select(RepairCaseRow).where(RepairCaseRow.domain == domain, RepairCaseRow.record.in_(sorted(records)))
    return session.scalars(query.order_by(RepairCaseRow.opened_at, RepairCaseRow.id))
