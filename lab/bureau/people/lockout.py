"""Deciding an attempt to sign in: why an account accepts no password now, and what a failure causes.

All functions run in a session in which the account's row is locked, so that attempts are decided one after another.
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
    """The result of the comparison before the transaction: the hash, and whether the password matches it."""

    stored_hash: str | None
    matches: bool


def refusal_reason(row: AccountRow | None, checked: PasswordComparison, now: datetime) -> str:
    """Why this attempt is refused; empty if it is accepted. ``row`` is locked."""
    reason = blocked_reason(row, now)
    if reason or row is None:
        return reason
    if row.password != checked.stored_hash:
        return "changed meanwhile"
    return "" if checked.matches else PASSWORD


def blocked_reason(row: AccountRow | None, now: datetime) -> str:
    """Why the account accepts no password now; empty if it does. ``row`` is locked."""
    if row is None:
        return NO_ACCOUNT
    if row.state != ACTIVE:
        return "disabled"
    if row.password is None:
        return "signs in elsewhere"
    return LOCKED if row.locked_until is not None and row.locked_until > now else ""


def record_failed_attempt(session: Session, row: AccountRow | None, reason: str, how: str, now: datetime) -> None:
    """Count a refused attempt, lock the account after too many, and record it.

    An attempt while the account is locked is counted too. It neither prolongs the lock nor makes the next one longer:
    otherwise anybody who knows a name could keep its owner out.

    A name without an account is not recorded: it may be a password typed into the wrong field. Whether an attempt gets
    an entry or is only counted depends only on the number of attempts for all names: everybody can see how many entries
    the ledger has, and could otherwise learn who has an account, and whose is locked.
    """
    facts: dict[str, Fact] = {"reason": reason, "how": how}
    sort = reason
    if row is not None and reason in (PASSWORD, LOCKED):
        row.failures += 1
        facts["failures"] = row.failures
        if reason == PASSWORD and row.failures >= MAX_ATTEMPTS:
            # The exponent is capped, so that the product stays a valid time.
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
    """Reset the count after a success, or by an administrator. ``row`` is locked."""
    row.failures, row.locks, row.locked_until = 0, 0, None
