"""An author puts another version in the place of the first while an officer's approval of that is on its way.

The approval names no version, because there was one alone when it was sent: the service looks for it, and another takes
its place before the row is locked. What stops it: what was found is approved by its number, or nothing is. On SQLite
there is one writer, so this is played on PostgreSQL.
"""

from __future__ import annotations

from typing import Any

import pytest

from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.people import Role
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Version swapped during an approval",
    who="a person with an account",
    wants="to put another version in place while an approval is on its way",
    stopped_by={
        "version found": (
            "An approval applies to the version that was found when it arrived, by its number, or fails."
        ),
    },
    code=["lab.bureau.contract_administration"],
)

ADDED = "a partner abroad"
OFFICERS = {"a.one": "data", "b.one": "legal", "c.one": "risk"}


def race(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[int, ContractState, str]:
    """An officer approves the first version, and the author swaps it after the service has looked for it: the status,
    the second version's state, and who has approved that."""
    author, reader, third = (house.settle(name, Role.OFFICER, department=where) for name, where in OFFICERS.items())
    bank = house.scene.bank.party
    drafted = {"bank": bank.model_dump(), "wishes": {"models": ["credit"]}, "submit": True}
    drafted["fingerprint"] = bank.fingerprint
    with house.client(author) as writing, house.client(third) as reviewing, house.client(reader) as approving:
        path = f"/v1/desk/contracts/{writing.post('/v1/desk/contracts', json=drafted).json()['contract']}"
        assert approving.post(f"{path}/steps/review", json={}).status_code == 200
        newest = lifecycle.find_newest_version

        def swapped(session: Any, contract_id: str) -> lifecycle.ContractVersion:
            found = newest(session, contract_id)
            monkeypatch.setattr(lifecycle, "find_newest_version", newest)
            writing.post(f"{path}/steps/return", json={"reason": "a typing error"})
            other = {"wishes": {"recipients": [RECIPIENT, ADDED]}, "submit": True}
            assert writing.post(f"{path}/amend", json=other).json()["version"] == 2
            assert reviewing.post(f"{path}/steps/review", json={}).status_code == 200
            return found

        monkeypatch.setattr(lifecycle, "find_newest_version", swapped)
        status = approving.post(f"{path}/steps/approve", json={}).status_code
        shown = approving.get(path, params={"version": 2}).json()
    return status, ContractState(shown["state"]), ",".join(one["account"] for one in shown["approvals"])


@pytest.mark.without_control("version found")
def test_looked_for_twice_an_approval_is_of_what_was_put_in_its_place(
    house_on_postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve = lifecycle.approve

    def of_the_newest(session: Any, contract_id: str, person: Any, sign: Any, now: Any, version: Any = None) -> Any:
        return approve(session, contract_id, person, sign, now)

    monkeypatch.setattr(lifecycle, "approve", of_the_newest)
    status, _, approved_by = race(house_on_postgresql, monkeypatch)
    assert (status, approved_by) == (200, "b.one")


@pytest.mark.with_control("version found")
def test_an_approval_is_of_the_version_that_was_found(
    house_on_postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert race(house_on_postgresql, monkeypatch) == (409, ContractState.UNDER_REVIEW, "")
