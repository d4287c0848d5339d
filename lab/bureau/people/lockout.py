"""Judging a try to sign in: why an account cannot be entered now, and what a failure leads to.

All of it runs in a session in which the account's row is locked, so that tries are judged one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.bureau.ledger import BUREAU_ACTOR, Fact
from lab.bureau.ledger.rate_limited_entries import STRANGER_ENTRY_LIMIT, Tally, record_or_count
from lab.bureau.people.accounts import ACTIVE
from lab.bureau.store.tables import AccountRow

MAX_ATTEMPTS = 5
"""Failures after which an account is locked."""
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=15), timedelta(hours=24)
"""How long the first lock lasts; each further failure doubles it, up to the longest."""

NO_ACCOUNT, LOCKED, PASSWORD = "no account", "locked", "password"


@dataclass(frozen=True, slots=True)
class PasswordComparison:
    """What was found before the transaction: the hash that was compared, and whether the password fits it."""

    stored_hash: str | None
    matches: bool


def refusal_reason(row: AccountRow | None, checked: PasswordComparison, now: datetime) -> str:
    """Why this account is not entered by this try; empty if it is. ``row`` is locked."""
    reason = blocked_reason(row, now)
    if reason or row is None:
        return reason
    if row.password != checked.stored_hash:
        return "changed meanwhile"
    return "" if checked.matches else PASSWORD


def blocked_reason(row: AccountRow | None, now: datetime) -> str:
    """Why no password at all lets anybody into this account now; empty if one does. ``row`` is locked."""
    if row is None:
        return NO_ACCOUNT
    if row.state != ACTIVE:
        return "disabled"
    if row.password is None:
        return "signs in elsewhere"
    return LOCKED if row.locked_until is not None and row.locked_until > now else ""


def record_failed_attempt(session: Session, row: AccountRow | None, reason: str, how: str, now: datetime) -> None:
    """Count a try that was not let in, lock the account when there were too many, and write it down.

    A try while the account is locked is counted with the others. It neither prolongs the lock nor makes the next one
    longer: it was compared with nothing, and who knows a name could otherwise keep its owner out by asking.

    A name that no account has is not written down: it may be a password typed into the wrong field. Whether there is an
    entry, or the try is only counted, depends on nothing but how many there were of any name: everybody can see how
    many entries the ledger has, and would learn from it who has an account, and whose is locked.
    """
    facts: dict[str, Fact] = {"reason": reason, "how": how}
    sort = reason
    if row is not None and reason in (PASSWORD, LOCKED):
        row.failures += 1
        facts["failures"] = row.failures
        if reason == PASSWORD and row.failures >= MAX_ATTEMPTS:
            # The exponent is capped so that a count of any size stays a time.
            locked = min(FIRST_LOCK * 2 ** min(row.locks, 10), LONGEST_LOCK)
            row.locked_until, row.locks = now + locked, row.locks + 1
            facts["locked_seconds"] = int(locked.total_seconds())
            sort = f"{reason}, then locked for {facts['locked_seconds']} seconds"
    if row is not None:
        facts["account"] = row.name
        sort = f"{sort}: {row.name}"
    about: dict[str, Fact] = {"how": how}
    tally = Tally(about, first=STRANGER_ENTRY_LIMIT, sort=sort)
    record_or_count(session, "sign-in.failed", None, facts, tally, by=BUREAU_ACTOR, now=now)


def reset_failures(row: AccountRow) -> None:
    """After a success, or an administrator's word: the count begins anew. ``row`` is locked."""
    row.failures, row.locks, row.locked_until = 0, 0, None
