"""Helpers for tests of passwords: cheap hashes that count their work, and failed sign-ins in the ledger."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from datetime import datetime

import sqlalchemy
from argon2 import PasswordHasher, extract_parameters

from lab.bureau.ledger.rate_limited_entries import COUNT_FACT, SORT_FACT, TALLY_WINDOW, close_tallies
from lab.bureau.people import Passwords
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow

GOOD, OTHER, WRONG = "correct horse battery", "staple tree and river", "not at all this one"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Counting(Passwords):
    """Passwords that count their Argon2 operations."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.work: list[str] = []
        self._lock = threading.Lock()
        inner = self._hasher

        class Hasher:
            def hash(_, password: bytes) -> str:
                self._note("hash")
                return inner.hash(password)

            def verify(_, stored: str, password: bytes) -> bool:
                self._note("verify " + str(extract_parameters(stored)))
                return inner.verify(stored, password)

            def check_needs_rehash(_, stored: str) -> bool:
                return inner.check_needs_rehash(stored)

        self._hasher = Hasher()  # type: ignore[assignment]

    def _note(self, what: str) -> None:
        with self._lock:
            self.work.append(what)


def failed_tries(store: Database, now: datetime) -> Counter[str]:
    """The number of failed sign-ins, by reason: from single entries and from entries with counts."""
    close_tallies(store, now + TALLY_WINDOW)
    found: Counter[str] = Counter()
    with store.begin_read() as session:
        for body in session.scalars(
            sqlalchemy.select(LedgerEntryRow.body).where(LedgerEntryRow.kind == "sign-in.failed")
        ):
            facts = json.loads(body)["facts"]
            if SORT_FACT not in facts:
                found[facts.get("reason", "of the provider")] += facts.get(COUNT_FACT, 1)
            for tally in facts.get(SORT_FACT, ()):
                sort, number = tally.rsplit(": ", 1)
                found[sort.split(": ")[0].split(",")[0]] += int(number)
    return found


def locks(store: Database, now: datetime) -> list[int]:
    """For how many seconds accounts were locked after failed sign-ins, in the order of the ledger."""
    close_tallies(store, now + TALLY_WINDOW)
    with store.begin_read() as session:
        query = (
            sqlalchemy.select(LedgerEntryRow.body)
            .where(LedgerEntryRow.kind == "sign-in.failed")
            .order_by(LedgerEntryRow.seq)
        )
        bodies = [json.loads(body)["facts"] for body in session.scalars(query)]
    found = []
    for facts in bodies:
        found += [facts["locked_seconds"]] if "locked_seconds" in facts else []
        for tally in facts.get(SORT_FACT, ()):
            locked = re.match(r"password, then locked for (\d+) seconds: .*: (\d+)", tally)
            found += [int(locked[1])] * int(locked[2]) if locked else []
    return found
