"""Judging a try to sign in: why an account cannot be entered now, and what a failure leads to.

All of it runs in a session in which the account's row is locked, so that tries are judged one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.bureau.ledger import Fact, record
from lab.bureau.people.accounts import ACTIVE
from lab.bureau.store.tables import AccountRow

TRIES = 5
"""Failures after which an account is locked."""
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=15), timedelta(hours=24)
"""How long the first lock lasts; each further failure doubles it, up to the longest."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found before the transaction: the hash that was compared, and whether the password fits it."""

    stored: str | None
    fits: bool


def why_not(row: AccountRow | None, checked: Checked, now: datetime) -> str:
    """Why this account cannot be entered now; empty if it can. ``row`` is locked."""
    if row is None:
        return "no account"
    if row.state != ACTIVE:
        return "disabled"
    if row.password is None:
        return "signs in elsewhere"
    if row.locked_until is not None and row.locked_until > now:
        return "locked"
    if row.password != checked.stored:
        return "changed meanwhile"
    return "" if checked.fits else "password"


def record_failure(session: Session, row: AccountRow | None, reason: str, how: str, now: datetime) -> None:
    """Count a wrong password, lock the account when there were too many, and write it down.

    A name that no account has is not written down: it may be a password typed into the wrong field.
    """
    facts: dict[str, Fact] = {"reason": reason, "how": how}
    if row is not None:
        facts["account"] = row.name
    locked: timedelta | None = None
    if row is not None and reason == "password":
        row.failures += 1
        facts["failures"] = row.failures
        if row.failures >= TRIES:
            # The exponent is capped so that a count of any size stays a time.
            locked = min(FIRST_LOCK * 2 ** min(row.failures - TRIES, 10), LONGEST_LOCK)
            row.locked_until = now + locked
    record(session, "sign-in.failed", None, facts, by="bureau")
    if row is not None and locked is not None:
        facts = {"account": row.name, "seconds": int(locked.total_seconds()), "failures": row.failures}
        record(session, "sign-in.locked", None, facts, by="bureau")
