"""Signs tree heads at set intervals while a service runs, so that what is in the ledger soon can't be denied.

A head is due when ``head_entries`` entries have come since the last one, or when there is any and ``head_seconds`` have
passed. Receipts and exports sign heads of their own beside this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lab.bureau.ledger.log import Ledger
from lab.terms.ledger.tree import SignedTreeHead

_LOOK_SECONDS = 1.0


class TreeHeadSigner:
    """One thread; ``start`` and ``stop`` it. ``on_error`` hears of what went wrong, and the next look tries again."""

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
        self._look = min(_LOOK_SECONDS, seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notary", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look under way."""
        self._stopped.set()
        self._thread.join()

    def sign_if_due(self) -> SignedTreeHead | None:
        """One look: the head that was due and is signed now, or None."""
        newest, size = self._ledger.newest_head(), self._ledger.size()
        signed = newest.size if newest is not None else 0
        old = newest is None or self._now() - newest.time >= self._age
        if size > signed and (old or size - signed >= self._entries):
            return self._ledger.sign_head()
        return None

    def _work(self) -> None:
        while not self._stopped.wait(self._look):
            try:
                self.sign_if_due()
            except Exception as error:  # the database may be away for a while, and the thread must outlive that
                self._on_error(error)
