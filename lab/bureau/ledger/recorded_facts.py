"""What the ledger says of something that a table or file says as well, so that the two can be compared.

Whoever writes the database can change a row, and the file that it names. The ledger's entries are bound to signed
heads, so a change there is found. A row on which a decision depends is therefore held against its entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import LedgerEntryRow


def newest_facts(session: Session, kinds: Sequence[str]) -> Mapping[str, Any]:
    """The facts of the newest entry of one of these kinds; empty without one."""
    found = select(LedgerEntryRow.body).where(LedgerEntryRow.kind.in_(kinds)).order_by(LedgerEntryRow.seq.desc())
    body = session.scalar(found.limit(1))
    return {} if body is None else dict(json.loads(body)["facts"])


def all_facts(session: Session, kinds: Sequence[str], *, naming: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kind and facts of all entries of these kinds, the oldest first; ``naming``: only those that hold this text."""
    found = select(LedgerEntryRow.kind, LedgerEntryRow.body).where(LedgerEntryRow.kind.in_(kinds))
    if naming:
        found = found.where(LedgerEntryRow.body.contains(naming, autoescape=True))
    for kind, body in session.execute(found.order_by(LedgerEntryRow.seq)):
        yield kind, json.loads(body)["facts"]
