"""The ledger: numbering without gaps under parallel writers, hashes, rollback, and noticing what was altered."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import rfc8785
from sqlalchemy import text

from lab.bureau.ledger import record, verify_entries
from lab.bureau.store import Store
from lab.bureau.store.tables import EntryRow
from lab.terms.errors import InvalidInput


def write(store: Store, count: int = 1) -> None:
    for number in range(count):
        with store.begin() as session:
            record(session, "test", None, {"number": number, "list": ["a", "b"], "none": None})


def test_an_entry_is_canonical_json_and_its_hash(store: Store) -> None:
    with store.begin() as session:
        entry = record(session, "test", "c-1", {"rows": 3, "word": "字"})
    with store.read() as session:
        row = session.get(EntryRow, 1)
    assert row is not None and entry.seq == 1
    assert row.sha256 == entry.sha256 == hashlib.sha256(row.body.encode()).hexdigest()
    body = json.loads(row.body)
    assert rfc8785.dumps(body).decode() == row.body
    assert (body["seq"], body["kind"], body["contract"], body["facts"]) == (1, "test", "c-1", {"rows": 3, "word": "字"})


def test_numbers_have_no_gaps_under_parallel_writers_and_rollbacks(store: Store) -> None:
    def one(number: int) -> None:
        try:
            with store.begin() as session:
                record(session, "test", None, {"number": number})
                if number % 3 == 0:
                    raise RuntimeError
        except RuntimeError:
            pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(30)))
    with store.read() as session:
        assert verify_entries(session) == 20


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE ledger_entries SET body = replace(body, 'number', 'numbex') WHERE seq = 2",
        "DELETE FROM ledger_entries WHERE seq = 2",
        "DELETE FROM ledger_entries WHERE seq = 3",
    ],
)
def test_altered_entries_are_noticed(store: Store, harm: str) -> None:
    """Somebody who can take the triggers away still has to make the hashes and the count fit."""
    write(store, 3)
    with store.begin() as session:
        if store.engine.dialect.name == "sqlite":
            session.execute(text("DROP TRIGGER ledger_no_update"))
            session.execute(text("DROP TRIGGER ledger_no_delete"))
        else:
            session.execute(text("DROP TRIGGER ledger_append_only ON ledger_entries"))
        session.execute(text(harm))
    with store.read() as session, pytest.raises(InvalidInput):
        verify_entries(session)
