"""An author takes a contract back that two officers have just read, and puts another version in its place.

The officers approve what they take for what they read, without a number: the newest. So one officer passes a
recipient that nobody has looked at, though two approve. What stops it: from the second version on an approval names
the version; a version's text never changes.
"""

from __future__ import annotations

import pytest

from lab.bureau.contracts import lifecycle
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.people import Role
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Swapped version",
    who="a person with an account",
    wants="to replace the version that officers have read by another one",
    stopped_by={
        "version number": (
            "From the second version on, an approval names the version. The text of a version never changes."
        ),
    },
    code=["lab.bureau.contract_administration"],
)

ADDED = "a partner abroad"
OFFICERS = {"a.one": "data", "b.one": "legal", "c.one": "risk"}


def swap(house: House, form: dict[str, int]) -> tuple[list[int], tuple[str, ...], str]:
    """The status of both approvals (sent with ``form``), and the newest version's recipients and state."""
    author, *readers = (house.settle(name, Role.OFFICER, department=where) for name, where in OFFICERS.items())
    wishes = {"models": ["credit"], "recipients": [RECIPIENT]}
    party = house.scene.bank.party
    drafted = {"bank": party.model_dump(), "fingerprint": party.fingerprint, "clauses": wishes, "submit": True}
    with house.client(author) as client:
        path = f"/v1/desk/contracts/{client.post('/v1/desk/contracts', json=drafted).json()['contract']}"
        for token in readers:
            with house.client(token) as reading:
                assert reading.get(path).json()["signed"]["contract"]["recipients"] == [RECIPIENT]
        assert client.post(f"{path}/steps/return", json={"reason": "a typing error"}).status_code == 200
        other = {"clauses": {"recipients": [RECIPIENT, ADDED]}, "submit": True}
        assert client.post(f"{path}/amend", json=other).json()["version"] == 2
    statuses = []
    for token in readers:
        with house.client(token) as approving:
            statuses.append(approving.post(f"{path}/steps/approve", json=form).status_code)
    with house.bureau.store.begin_read() as session:
        held = lifecycle.find_newest_version(session, path.rpartition("/")[2])
    return statuses, held.contract.recipients, held.state


@pytest.mark.without_control("version number")
def test_without_the_number_two_officers_approve_what_they_did_not_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def approve_newest(session, contract_id: str, person, now, version: int | None = None):
        """The former way."""
        last = lifecycle.find_newest_version(session, contract_id)
        if last.state is ContractState.SUBMITTED:
            lifecycle.take_step(session, contract_id, "review", person, now, last.version)
        return lifecycle.take_step(session, contract_id, "approve", person, now, version)

    monkeypatch.setattr(lifecycle, "approve_version_read", approve_newest)
    statuses, recipients, state = swap(house, {})
    assert (statuses, state) == ([200, 200], ContractState.APPROVED) and ADDED in recipients


@pytest.mark.with_control("version number")
@pytest.mark.parametrize(("form", "status"), [({}, 422), ({"version": 1}, 409)])
def test_the_version_that_was_put_in_its_place_is_not_approved(house: House, form: dict[str, int], status: int) -> None:
    statuses, _, state = swap(house, form)
    assert (statuses, state) == ([status, status], ContractState.SUBMITTED)
