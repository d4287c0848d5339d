"""Counting what others can cause at will: two transactions that meet at one window."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import sqlalchemy

from lab.bureau.ledger.rate_limited_entries import TALLY_WINDOW, Tally, record_or_count
from lab.bureau.store import Database
from lab.bureau.store.tables import EntryTallyRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def note(store: Database, now: datetime) -> None:
    with store.begin() as session:
        about = {"operation": "match", "error": "refused"}
        record_or_count(session, "refused", None, about, Tally(about), by="bureau", now=now)


def test_a_window_that_is_closed_at_the_same_moment_begins_anew(store: Database) -> None:
    note(store, NOW)
    found: list[BaseException] = []

    def later() -> None:
        try:
            note(store, NOW + TALLY_WINDOW)
        except BaseException as error:
            found.append(error)

    other = threading.Thread(target=later)
    with store.begin() as session:  # as ``close_tallies`` does it
        row = session.scalars(sqlalchemy.select(EntryTallyRow).with_for_update()).one()
        other.start()
        time.sleep(0.5)  # until the other waits for the row, or for the database
        session.delete(row)
    other.join()
    assert not found
    with store.begin_read() as session:
        (row,) = session.scalars(sqlalchemy.select(EntryTallyRow))
        assert (row.since, row.written) == (NOW + TALLY_WINDOW, 1)
