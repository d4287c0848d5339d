"""Nonces of signed requests: each is used once, and stored as long as a request of that age is accepted."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from lab.bureau.store import Database
from lab.bureau.store.tables import NonceRow
from lab.terms.errors import NotAuthentic

# Twice the age at which a signed request is refused, because clocks may differ.
NONCE_LIFETIME = timedelta(seconds=1200)


class NonceStore:
    """Nonces that were used. Safe to use from several threads."""

    def __init__(self, store: Database) -> None:
        self._store = store

    def claim(self, key: str, nonce: str, now: datetime) -> None:
        """Store the nonce of a request signed with ``key``; raises ``NotAuthentic`` if it was used before."""
        if len(key) != 64 or not 1 <= len(nonce) <= 200:
            raise NotAuthentic("Expected a key and a nonce of 1 to 200 characters.", next_step="sign the request again")
        try:
            with self._store.begin() as session:
                session.execute(delete(NonceRow).where(NonceRow.seen_at < now - NONCE_LIFETIME))
                session.add(NonceRow(key=key, nonce=nonce, seen_at=now))
        except IntegrityError:
            raise NotAuthentic("This request was received before.", next_step="sign each request afresh") from None
