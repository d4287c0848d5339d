"""Sign-ins: the sessions of people. All functions run in a session that the caller commits.

A sign-in is a random token of 256 bits. The database contains its SHA-256 only, so that nobody can sign in with a copy
of the database. It ends after 30 minutes without a request, after 12 hours in any case, by signing out, when the
password changes, and when the account is disabled. A second token protects against cross-site requests, for browsers,
which send the first one by themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from lab.bureau.people.accounts import ACTIVE, Account, read_account
from lab.bureau.store.tables import AccountRow, SignInRow

IDLE_TIMEOUT = timedelta(minutes=30)
MAX_LIFETIME = timedelta(hours=12)
ACTIVITY_INTERVAL = timedelta(minutes=1)
"""How old ``seen_at`` may be before it is updated, so that not every request writes."""
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class SignInTokens:
    """The tokens of a new sign-in; they cannot be looked up again."""

    token: str
    csrf: str
    account: Account
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in, found by the token of a request; its second token is known by its hash only."""

    token_sha256: str
    csrf_sha256: str
    account: Account
    seen_at: datetime
    expires_at: datetime

    def verify_csrf(self, csrf: str) -> bool:
        """Whether ``csrf`` is the token against cross-site requests that belongs to this sign-in."""
        return hmac.compare_digest(_sha256(csrf), self.csrf_sha256)


def begin(session: Session, row: AccountRow, now: datetime) -> SignInTokens:
    """Begin a sign-in of the account; expired ones are removed."""
    session.execute(delete(SignInRow).where(or_(SignInRow.expires_at <= now, SignInRow.seen_at <= now - IDLE_TIMEOUT)))
    token, csrf = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    expires = now + MAX_LIFETIME
    session.add(
        SignInRow(
            token=_sha256(token),
            account=row.name,
            csrf=_sha256(csrf),
            began_at=now,
            seen_at=now,
            expires_at=expires,
        )
    )
    session.flush()
    return SignInTokens(token, csrf, read_account(row), expires)


def find(session: Session, token: str, now: datetime) -> SignIn | None:
    """The sign-in of ``token`` if it has not expired and its account is active, or None."""
    query = (
        select(SignInRow, AccountRow)
        .join(AccountRow, AccountRow.name == SignInRow.account)
        .where(SignInRow.token == _sha256(token), AccountRow.state == ACTIVE)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, account = found
    if row.expires_at <= now or row.seen_at <= now - IDLE_TIMEOUT:
        return None
    return SignIn(row.token, row.csrf, read_account(account), row.seen_at, row.expires_at)


def record_activity(session: Session, token_sha256: str, now: datetime) -> None:
    """Record that the person made a request now."""
    session.execute(update(SignInRow).where(SignInRow.token == token_sha256).values(seen_at=now))


def end(session: Session, token_sha256: str) -> bool:
    """End one sign-in; False if it had ended already."""
    ended = session.execute(delete(SignInRow).where(SignInRow.token == token_sha256).returning(SignInRow.account))
    return ended.one_or_none() is not None


def end_all(session: Session, account: str) -> int:
    """End every sign-in of an account; returns their number."""
    ended = session.execute(delete(SignInRow).where(SignInRow.account == account).returning(SignInRow.token))
    return len(ended.all())


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
