"""Consents in the database: adding, withdrawing, recording expiry, and listing them.

Every change first locks the row that counts changes, so that imports and withdrawals are serialised, and locks the
ledger last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, case, func, insert, select, update
from sqlalchemy.orm import Session

from lab.bureau.ledger import record
from lab.bureau.store.tables import BankRow, ConsentChangeCounterRow, ConsentRow
from lab.terms.contract.document import Purpose
from lab.terms.errors import NotFound

T = TypeVar("T")
_VALUES_PER_QUERY = 5_000  # values in one list of a query; SQLite takes 32,766


@dataclass(frozen=True, slots=True)
class ConsentWithdrawal:
    """The result of a withdrawal."""

    enterprises: int
    """Enterprises that had something to withdraw."""
    consents: int


@dataclass(frozen=True, slots=True)
class ConsentSummary:
    """Consents to one bank for one purpose, counted. ``enterprises``: those with an active consent."""

    bank: str
    bank_id: str
    purpose: str
    enterprises: int
    active: int
    upcoming: int
    expired: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class ConsentDetails:
    """One consent in full. ``signature_valid``: None if it has no signature."""

    id: str
    bank: str
    purpose: str
    starts: datetime
    expires: datetime
    state: str
    reference: str
    signature_valid: bool | None
    imported_at: datetime
    withdrawn_at: datetime | None


def lock_change_counter(session: Session) -> ConsentChangeCounterRow:
    """The row that counts changes, locked; add one to ``changes`` when something changed."""
    row = session.get(ConsentChangeCounterRow, 1, with_for_update=True)
    if row is None:
        raise RuntimeError("the database has no row that counts changes of consents")
    return row


def resolve_bank_reference(session: Session, named: str) -> BankRow:
    """The bank of that id or name; raises ``NotFound``."""
    row = session.get(BankRow, named) or session.scalar(select(BankRow).where(BankRow.name == named))
    if row is None:
        raise NotFound("No bank of that name or id is registered here.", next_step="see `lab officer banks`")
    return row


def existing_ids(session: Session, ids: Sequence[str]) -> set[str]:
    """The ``ids`` that exist."""
    found: set[str] = set()
    for part in _parts(ids):
        found.update(session.scalars(select(ConsentRow.id).where(ConsentRow.id.in_(part))))
    return found


def last_withdrawals(session: Session, enterprises: Iterable[str]) -> dict[tuple[str, str, str], datetime]:
    """When each of these enterprises last withdrew, by enterprise, bank and purpose."""
    found: dict[tuple[str, str, str], datetime] = {}
    for part in _parts(sorted(set(enterprises))):
        query = (
            select(ConsentRow.enterprise, ConsentRow.bank_id, ConsentRow.purpose, func.max(ConsentRow.withdrawn_at))
            .where(ConsentRow.enterprise.in_(part), ConsentRow.withdrawn_at.is_not(None))
            .group_by(ConsentRow.enterprise, ConsentRow.bank_id, ConsentRow.purpose)
        )
        rows = session.execute(query)
        found |= {(enterprise, bank, purpose): at for enterprise, bank, purpose, at in rows if at is not None}
    return found


def insert_consents(session: Session, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert consents, given as column values."""
    for part in _parts(rows):
        session.execute(insert(ConsentRow.__table__), [dict(row) for row in part])  # type: ignore[arg-type]


def withdraw(
    session: Session,
    enterprises: Sequence[str],
    *,
    bank: str | None,
    purpose: Purpose | None,
    reason: str,
    by: str,
    now: datetime,
) -> ConsentWithdrawal:
    """Withdraw the consents of these enterprises (by pseudonym) to a bank (None: all) for a purpose (None: all).

    Consents that have not begun are withdrawn too; expired ones stay as they are. Raises ``NotFound``.
    """
    named = resolve_bank_reference(session, bank) if bank is not None else None
    counter = lock_change_counter(session)
    consents, concerned = 0, set()
    for part in _parts(sorted(set(enterprises))):
        open_now = [ConsentRow.enterprise.in_(part), ConsentRow.withdrawn_at.is_(None), ConsentRow.expires > now]
        if named is not None:
            open_now.append(ConsentRow.bank_id == named.id)
        if purpose is not None:
            open_now.append(ConsentRow.purpose == purpose.value)
        found = session.execute(
            update(ConsentRow)
            .where(*open_now)
            .values(withdrawn_at=now)
            .returning(ConsentRow.enterprise)
            .execution_options(synchronize_session=False)
        )
        withdrawn = list(found.scalars())
        consents += len(withdrawn)
        concerned.update(withdrawn)
    if consents:
        counter.changes += 1
    session.flush()
    record(
        session,
        "consent.withdrawn",
        None,
        {
            "consents": consents,
            "enterprises": len(concerned),
            "asked": len(set(enterprises)),
            "bank": named.id if named is not None else "all",
            "purpose": purpose.value if purpose is not None else "all",
            "reason": reason,
        },
        by=by,
    )
    return ConsentWithdrawal(len(concerned), consents)


def record_expiry(session: Session, *, by: str, now: datetime) -> int:
    """Record how many consents expired since the last call; returns the number."""
    counter = lock_change_counter(session)
    query = select(func.count()).where(ConsentRow.withdrawn_at.is_(None), ConsentRow.expires <= now)
    if counter.expiries_until is not None:
        if now <= counter.expiries_until:
            return 0
        query = query.where(ConsentRow.expires > counter.expiries_until)
    count = int(session.scalar(query) or 0)
    counter.expiries_until = now
    session.flush()
    if count:
        record(session, "consent.expired", None, {"consents": count, "until": now.isoformat(timespec="seconds")}, by=by)
    return count


def summarise_consents(session: Session, now: datetime) -> list[ConsentSummary]:
    """Consents counted by bank and purpose."""
    row, kept = ConsentRow, ConsentRow.withdrawn_at.is_(None)
    active = and_(kept, row.starts <= now, row.expires > now)

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    query = (
        select(
            BankRow.name,
            row.bank_id,
            row.purpose,
            func.count(case((active, row.enterprise)).distinct()),
            count(active),
            count(and_(kept, row.starts > now)),
            count(and_(kept, row.expires <= now)),
            count(row.withdrawn_at.is_not(None)),
        )
        .join(BankRow, BankRow.id == row.bank_id)
        .group_by(BankRow.name, row.bank_id, row.purpose)
        .order_by(BankRow.name, row.purpose)
    )
    return [ConsentSummary(*line) for line in session.execute(query)]


def list_for_enterprise(session: Session, enterprise: str) -> list[tuple[ConsentRow, str]]:
    """The consents of one enterprise (by pseudonym) and the name of the bank of each, newest first."""
    query = (
        select(ConsentRow, BankRow.name)
        .join(BankRow, BankRow.id == ConsentRow.bank_id)
        .where(ConsentRow.enterprise == enterprise)
        .order_by(ConsentRow.imported_at.desc(), ConsentRow.starts.desc(), ConsentRow.id)
    )
    return [(row, name) for row, name in session.execute(query)]


def consent_state(row: ConsentRow, now: datetime) -> str:
    """``withdrawn``, ``to-come``, ``active`` or ``expired``."""
    if row.withdrawn_at is not None:
        return "withdrawn"
    if now < row.starts:
        return "to-come"
    return "active" if now < row.expires else "expired"


def consent_evidence(row: ConsentRow) -> dict[str, str]:
    """The evidence of the consent: ``reference``; ``signature_sha256`` and the import's ``file``."""
    return {str(key): str(value) for key, value in json.loads(row.evidence).items()}


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _VALUES_PER_QUERY):
        yield values[start : start + _VALUES_PER_QUERY]
