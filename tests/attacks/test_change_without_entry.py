"""Somebody brings a contract through while the ledger cannot be written: its disk is full, its table locked.

They want the change without its entry, so that nobody can ask later who made it. What stops it: the entry is written
in the transaction of the change: both are there, or neither is.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lab.bureau.contracts import transitions
from lab.bureau.ledger import record
from lab.terms.errors import ShulabError
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Change without an entry",
    who="a person with an account",
    wants="to make a change that the ledger does not show, while the ledger cannot be written",
    stopped_by={
        "one transaction": "A change and its entry are written in one transaction, or neither is.",
    },
    code=["lab.bureau.ledger.entries"],
)


def revoke_unseen(scene: Scene) -> tuple[str, bool]:
    """The contract's state after a revocation that the ledger did not take, and whether the ledger tells of one."""
    contract = scene.contract()
    with scene.bureau.store.begin() as session:
        session.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT ON ledger_entries BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    with suppress(DBAPIError, ShulabError):
        scene.revoke(contract)
    with scene.bureau.store.begin() as session:
        session.execute(text("DROP TRIGGER full_disk"))
    return scene.bureau.bank_contracts.find(contract)[1], "contract.revoked" in scene.ledger()


@pytest.mark.without_control("one transaction")
def test_without_one_transaction_the_change_has_no_entry(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is written beside the change, and its failure logged, as audit trails often are."""

    def beside(session, kind: str, contract, facts, *, by: str) -> None:
        with suppress(DBAPIError), session.begin_nested():
            record(session, kind, contract, facts, by=by)

    monkeypatch.setattr(transitions, "record", beside)
    monkeypatch.setattr("lab.bureau.exchange.jobs.record", beside)
    assert revoke_unseen(scene) == ("revoked", False)


@pytest.mark.with_control("one transaction")
def test_the_change_is_not_made(scene: Scene) -> None:
    assert revoke_unseen(scene) == ("active", False)
