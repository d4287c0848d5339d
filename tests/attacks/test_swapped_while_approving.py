"""An author puts another version in the place of the first while an officer's approval of that is being handled.

The approval names no version, because there was only one when it was sent: the service looks for it, and the author
replaces it meanwhile. What stops it: the contract's row is locked before the service looks, so that the author waits.
On SQLite there is one writer, so this is played on PostgreSQL.
"""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.repository import ContractRecord
from lab.bureau.people import Role
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Version swapped during an approval",
    who="a person with an account",
    wants="to replace a version while its approval is on its way",
    stopped_by={
        "contract locked": (
            "The contract is locked before an approval looks for the version; whoever wants to replace it waits."
        ),
    },
    code=["lab.bureau.contracts.lifecycle"],
)

ADDED = "a partner abroad"
OFFICERS = {"a.one": "data", "b.one": "legal", "c.one": "risk"}


def race(house: House, monkeypatch: pytest.MonkeyPatch, *, locked: bool) -> tuple[int, list[tuple[int, str, str]]]:
    """An officer approves the first version, and the author replaces it after the service has looked for it: the
    status, and of each version its number, its state and who has approved it."""
    author, reader, third = (house.settle(name, Role.OFFICER, department=where) for name, where in OFFICERS.items())
    bank = house.scene.bank.party
    drafted = {"bank": bank.model_dump(), "clauses": {"models": ["credit"]}, "submit": True}
    drafted["fingerprint"] = bank.fingerprint
    with house.client(author) as writing, house.client(third) as reviewing, house.client(reader) as approving:
        path = f"/v1/desk/contracts/{writing.post('/v1/desk/contracts', json=drafted).json()['contract']}"
        assert approving.post(f"{path}/steps/review", json={}).status_code == 200

        def replace_version() -> None:
            writing.post(f"{path}/steps/return", json={"reason": "a typing error"})
            other = {"clauses": {"recipients": [RECIPIENT, ADDED]}, "submit": True}
            writing.post(f"{path}/amend", json=other)
            reviewing.post(f"{path}/steps/review", json={"version": 2})

        replacing = Thread(target=replace_version)

        def looked_up(session: Any, contract_id: str, *, lock: bool = False) -> ContractRecord:
            monkeypatch.undo()
            found = ContractRecord(session, contract_id, lock=lock and locked)
            replacing.start()
            replacing.join(timeout=2 if locked else None)
            assert replacing.is_alive() is locked
            return found

        monkeypatch.setattr(lifecycle, "ContractRecord", looked_up)
        status = approving.post(f"{path}/steps/approve", json={}).status_code
        replacing.join()
        versions = approving.get(path).json()["versions"]
    return status, [
        (one["version"], one["state"], ",".join(approval["account"] for approval in one["approvals"]))
        for one in versions
    ]


@pytest.mark.without_control("contract locked")
def test_without_the_lock_a_version_that_was_replaced_is_approved(
    house_on_postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, versions = race(house_on_postgresql, monkeypatch, locked=False)
    assert (status, versions) == (200, [(2, "under-review", ""), (1, "retired", "b.one")])


@pytest.mark.with_control("contract locked")
def test_the_author_waits_until_the_approval_is_done(
    house_on_postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The approval is of the version that the officer read; the author's return comes after it, and voids it."""
    status, versions = race(house_on_postgresql, monkeypatch, locked=True)
    assert (status, versions) == (200, [(2, "under-review", ""), (1, "retired", "")])
