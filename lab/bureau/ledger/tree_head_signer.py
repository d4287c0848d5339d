"""Signing tree heads at set intervals while a service runs, so that recent entries soon cannot be denied.

A head is due ``head_entries`` entries after the last one, or ``head_seconds`` after it if there is any new entry.
Receipts and exports sign heads of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lab.bureau.ledger.log import Ledger
from lab.terms.ledger.tree import SignedTreeHead

_CHECK_SECONDS = 1.0


class TreeHeadSigner:
    """A thread; ``start`` and ``stop`` it. ``on_error`` gets each error, and the next check tries again."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        entries: int,
        seconds: float,
        on_error: Callable[[Exception], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._entries, self._age = ledger, entries, timedelta(seconds=seconds)
        self._on_error, self._now = on_error, clock
        self._interval = min(_CHECK_SECONDS, seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notary", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the check in progress."""
        self._stopped.set()
        self._thread.join()

    def sign_if_due(self) -> SignedTreeHead | None:
        """One check: the head, if one was due and is signed now, or None."""
        newest, size = self._ledger.newest_head(), self._ledger.size()
        signed = newest.size if newest is not None else 0
        old = newest is None or self._now() - newest.time >= self._age
        if size > signed and (old or size - signed >= self._entries):
            return self._ledger.sign_head()
        return None

    def _work(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.sign_if_due()
            except Exception as error:  # the database may fail for a while; the thread must survive that
                self._on_error(error)
