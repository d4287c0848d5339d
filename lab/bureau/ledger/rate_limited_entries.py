"""Entries that strangers and banks can cause at will and at no charge: a few in full, then only counted.

A wrong password, a refused request, a repeated response: each is worth an entry, but none may let its cause grow the
ledger. Within a window the first ones get entries of their own; the others are counted in the transaction in which they
happen, and one entry gives their number when the window is over (``times``, ``from``, ``until``). They are counted
together by kind, contract, actor and a few facts from closed lists, never by a text that the one who causes them
chooses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from lab.bureau.ledger.entries import BUREAU_ACTOR, record
from lab.bureau.store import Database
from lab.bureau.store.tables import EntryTallyRow, LedgerEntryRow, UtcDateTime
from lab.terms.errors import NotAllowed, Unreachable
from lab.terms.ledger.tree import Fact, LedgerEntry

TALLY_WINDOW = timedelta(hours=1)
STRANGER_ENTRY_LIMIT, KNOWN_ENTRY_LIMIT = 5, 20
"""Entries of their own in a window: for what anybody can cause, and for what only a bank or an account can."""
COUNT_FACT, SORT_FACT = "times", "of"
MAX_REFUNDS = 20
"""Refunds for a contract within a window because of what its bank sent: each makes two entries."""
_REFUND_KIND = "charges.returned"  # no kind of entry: only counted
_BEGIN = text(
    "INSERT INTO ledger_tallies (key, kind, contract_id, by, about, since, written, counted, last) "
    "VALUES (:key, :kind, :contract, :by, :about, :now, 0, 0, :now) ON CONFLICT (key) DO NOTHING"
).bindparams(bindparam("now", type_=UtcDateTime()))


@dataclass(frozen=True, slots=True)
class Tally:
    """How entries of a kind are counted: by which facts, after how many entries of their own, and split by what."""

    about: Mapping[str, Fact]
    """The facts by which an entry is counted together with others; each comes from a closed list."""
    first: int = KNOWN_ENTRY_LIMIT
    """Entries of their own within the window."""
    sort: str = ""
    """A word from a closed list, or a contract; the entry with the total also gives the number of each (``of``). Unlike
    ``about``, it does not decide whether an entry is written, which everybody can see from the ledger's size. With a
    ``sort``, neither does the contract."""


def record_or_count(
    session: Session,
    kind: str,
    contract: str | None,
    facts: Mapping[str, Fact],
    tally: Tally,
    *,
    by: str,
    now: datetime,
) -> LedgerEntry | None:
    """Append an entry; or count it and return None, if ``tally.first`` others like it have one within the window.

    Raises what ``record`` raises; like ``record``, call it last in the transaction.
    """
    about, sort = _json(tally.about), tally.sort
    row = _locked(session, kind, None if sort else contract, by, about, now)
    if not row.since <= now < row.since + TALLY_WINDOW:
        _record_count(session, row)
        row.since, row.written, row.counted, row.about = now, 0, 0, about
    row.last = now
    if row.written < tally.first:
        row.written += 1
        session.flush()
        return record(session, kind, contract, facts, by=by)
    row.counted += 1
    if sort:
        counted = json.loads(row.about)
        sorts = counted.setdefault(SORT_FACT, {})
        sorts[sort] = sorts.get(sort, 0) + 1
        row.about = _json(counted)
    session.flush()
    return None


def tally_refund(session: Session, contract: str, error: Exception, *, now: datetime) -> None:
    """Count a refund, unless ``error`` is the bureau's own failure. Call it before any entry."""
    if isinstance(error, Unreachable):
        return
    row = _locked(session, _REFUND_KIND, contract, BUREAU_ACTOR, "{}", now)
    if not row.since <= now < row.since + TALLY_WINDOW:
        row.since, row.written = now, 0
    row.written, row.last = row.written + 1, now
    session.flush()


def check_refund_limit(session: Session, contract: str, now: datetime) -> None:
    """Raise ``NotAllowed`` after ``MAX_REFUNDS`` refunds within the window: nothing more is charged."""
    row = session.get(EntryTallyRow, _key(_REFUND_KIND, contract, BUREAU_ACTOR, "{}"), populate_existing=True)
    if row is not None and row.written >= MAX_REFUNDS and row.since <= now < row.since + TALLY_WINDOW:
        raise NotAllowed(
            f"{MAX_REFUNDS} requests under contract {contract} could not be evaluated within an hour; none "
            "was charged.",
            next_step="find out what is wrong with them, and try again in an hour",
        )


def close_tallies(store: Database, now: datetime) -> int:
    """Record what was counted in windows that are over; returns the number of entries."""
    with store.begin_read() as session:
        over = list(session.scalars(select(EntryTallyRow.key).where(EntryTallyRow.since <= now - TALLY_WINDOW)))
    recorded = 0
    for key in over:
        with store.begin() as session:
            row = session.get(EntryTallyRow, key, with_for_update=True)
            if row is None or row.since > now - TALLY_WINDOW:  # another process was faster, or a new window began
                continue
            session.delete(row)
            recorded += _record_count(session, row)
    return recorded


def count_by_contract(session: Session, kind: str, since: datetime, *, by: str) -> dict[str, int]:
    """How often entries of this kind happened under each contract since then, by actors whose name begins with ``by``:
    entries of their own, numbers in entries, and counts in open windows."""
    # Entries are canonical JSON, in which a quotation mark inside a text is escaped: only the member itself reads so.
    of = (LedgerEntryRow.kind == kind, LedgerEntryRow.time > since, LedgerEntryRow.contract_id.is_not(None))
    theirs = LedgerEntryRow.body.contains(f'"by":"{by}', autoescape=True)
    several = LedgerEntryRow.body.contains(f'"{COUNT_FACT}":', autoescape=True)
    one_each = (
        select(LedgerEntryRow.contract_id, func.count())
        .where(*of, theirs, ~several)
        .group_by(LedgerEntryRow.contract_id)
    )
    found = {str(contract): int(count) for contract, count in session.execute(one_each)}
    for contract, body in session.execute(
        select(LedgerEntryRow.contract_id, LedgerEntryRow.body).where(*of, theirs, several)
    ):
        found[str(contract)] = found.get(str(contract), 0) + int(json.loads(body)["facts"].get(COUNT_FACT, 1))
    waiting = select(EntryTallyRow.contract_id, func.sum(EntryTallyRow.counted)).where(
        EntryTallyRow.kind == kind,
        EntryTallyRow.contract_id.is_not(None),
        EntryTallyRow.last > since,
        EntryTallyRow.by.startswith(by),
    )
    for contract, count in session.execute(waiting.group_by(EntryTallyRow.contract_id)):
        if count:
            found[str(contract)] = found.get(str(contract), 0) + int(count)
    return found


def _locked(session: Session, kind: str, contract: str | None, by: str, about: str, now: datetime) -> EntryTallyRow:
    session.flush()
    key = _key(kind, contract, by, about)
    found: EntryTallyRow | None = None
    while found is None:  # a sweep may take the row away between the two statements
        session.execute(_BEGIN, {"key": key, "kind": kind, "contract": contract, "by": by, "about": about, "now": now})
        found = session.get(EntryTallyRow, key, with_for_update=True, populate_existing=True)
    return found


def _key(kind: str, contract: str | None, by: str, about: str) -> str:
    return hashlib.sha256(json.dumps([kind, contract, by, about]).encode()).hexdigest()


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(dict(about), ensure_ascii=False, sort_keys=True)


def _record_count(session: Session, row: EntryTallyRow) -> bool:
    if not row.counted:
        return False
    facts: dict[str, Fact] = dict(json.loads(row.about))
    if SORT_FACT in facts:
        facts[SORT_FACT] = [f"{sort}: {number}" for sort, number in json.loads(row.about)[SORT_FACT].items()]
    facts |= {COUNT_FACT: row.counted, "from": _text(row.since), "until": _text(row.last)}
    record(session, row.kind, row.contract_id, facts, by=row.by)
    return True


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
