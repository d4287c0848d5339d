"""An administrator of the database's machine edits the ledger's table: an entry goes, or says something else.

They own the database, so the triggers that refuse change are theirs to drop; they have no key of the bureau. They
want the bureau itself to vouch for what is left, by signing its next head over it. What stops it: a bureau holds its
entries against the newest head before it signs another.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lab.bureau.ledger import log
from lab.bureau.ledger.log import Ledger
from lab.bureau.store import Database
from lab.terms.errors import InvalidInput
from lab.terms.ledger.tree import SignedTreeHead, hash_leaf
from tests.unit.lab.bureau.test_ledger import KEY, PARTY, unlock, write

pytestmark = pytest.mark.threat(
    "Edited database",
    who="somebody on the machine",
    wants="to edit the ledger's table and have the bureau sign the result",
    stopped_by={
        "newest head": "The bureau signs no head that contradicts its newest one.",
        "triggers": "The table refuses updates and deletions.",
    },
    code=["lab.bureau.ledger.log", "lab.bureau.store"],
)

OTHER = '{"forged":true}'
FORGERY = f"UPDATE ledger_entries SET body = '{OTHER}', leaf = '{hash_leaf(OTHER.encode()).hex()}' WHERE seq = 2"
HARMS = pytest.mark.parametrize("harm", [FORGERY, "UPDATE ledger_size SET size = 3"], ids=["an entry", "the end"])


def edit(store: Database, harm: str) -> SignedTreeHead:
    """The head that the bureau signs after the edit, as it opens again."""
    store.sign = KEY.sign
    write(store, 5)
    Ledger(store, lambda: PARTY, KEY.sign).sign_head()
    unlock(store)
    with store.begin() as session:
        session.connection().exec_driver_sql(harm)
        if "ledger_size" in harm:
            session.execute(text("DELETE FROM ledger_entries WHERE seq > 3"))
    write(store)
    return Ledger(store, lambda: PARTY, KEY.sign).sign_head()


@pytest.mark.without_control("newest head")
@HARMS
def test_without_the_newest_head_the_bureau_vouches_for_the_edit(
    store: Database, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_newest", lambda session: None)
    head = edit(store, harm)
    head.verify(PARTY.public_key)
    assert head.size == (4 if "ledger_size" in harm else 6)


@pytest.mark.with_control("newest head")
@HARMS
def test_the_bureau_signs_nothing_any_more(store: Database, harm: str) -> None:
    with pytest.raises(InvalidInput, match="not the one whose head"):
        edit(store, harm)


@pytest.mark.without_control("triggers")
def test_without_the_triggers_a_program_edits_the_table_by_mistake(store: Database) -> None:
    store.sign = KEY.sign
    write(store, 3)
    unlock(store)
    with store.begin() as session:
        session.execute(text("DELETE FROM ledger_entries WHERE seq = 2"))
    with store.begin_read() as session:
        assert session.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one() == 2


@pytest.mark.with_control("triggers")
@pytest.mark.parametrize("harm", [FORGERY, "DELETE FROM ledger_entries WHERE seq = 2"])
def test_whoever_has_not_the_table_itself_changes_no_row_of_it(store: Database, harm: str) -> None:
    store.sign = KEY.sign
    write(store, 3)
    with pytest.raises(DBAPIError), store.begin() as session:
        session.connection().exec_driver_sql(harm)
