"""Somebody who has signed in does what their role does not allow.

A researcher wants the ledger, an officer wants to make accounts (and with them a second pair of eyes), an
administrator wants to see contracts through, an auditor to change anything at all. What stops it: one role matrix;
and the roles that would pass a contract alone are never one person's.
"""

from __future__ import annotations

import pytest

from lab.bureau.people import NewAccount, Role
from lab.bureau.people.permissions import AccountHolder
from lab.terms.errors import InvalidInput
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Exceeded role",
    who="a person with an account",
    wants="to do what their role does not allow",
    stopped_by={
        "role matrix": "One matrix lists what each role may do; everything else is refused and recorded.",
        "separated roles": "Roles that together could bring a contract into force are never given to one person.",
    },
    code=["lab.bureau.people.permissions"],
)

NEW = {"name": "second.pair", "department": "legal", "roles": ["officer"], "shown_name": ""}
WANTED = (
    (Role.RESEARCHER, "GET", "/v1/audit/entries", None),
    (Role.OFFICER, "POST", "/v1/accounts", NEW),
    (Role.STEWARD, "POST", "/v1/accounts", NEW | {"name": "third.pair"}),
    (Role.ADMINISTRATOR, "GET", "/v1/desk/contracts", None),
    (Role.AUDITOR, "POST", "/v1/accounts", NEW | {"name": "fourth.pair"}),
)


def try_all(house: House) -> list[int]:
    """The status of each, under an account of the role."""
    statuses = []
    for role, method, path, body in WANTED:
        token = house.settle(f"{role.value}.one", role)
        with house.client(token) as client:
            answer = client.request(method, path, json=body) if body else client.request(method, path)
        statuses.append(answer.status_code)
    return statuses


@pytest.mark.without_control("role matrix")
def test_without_the_matrix_everybody_does_everything(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountHolder, "check_permission", lambda *_: None)
    assert all(status < 300 for status in try_all(house))
    assert {"second.pair", "third.pair", "fourth.pair"} <= {one.name for one in house.bureau.accounts.list_accounts()}


@pytest.mark.with_control("role matrix")
def test_each_is_refused_and_the_refusal_recorded(house: House) -> None:
    assert try_all(house) == [403] * len(WANTED)
    assert len(house.entries("refused")) == len(WANTED)
    assert not {"second.pair", "third.pair", "fourth.pair"} & {
        one.name for one in house.bureau.accounts.list_accounts()
    }


BOTH = frozenset({Role.OFFICER, Role.ADMINISTRATOR})


@pytest.mark.without_control("separated roles")
def test_without_duties_apart_one_person_makes_their_own_second_pair(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("lab.bureau.people.accounts.check_roles", "lab.bureau.people.account_service.check_roles"):
        monkeypatch.setattr(place, lambda *_: None)
    with house.client(house.settle("both", *BOTH)) as client:
        assert client.get("/v1/desk/contracts").status_code == 200
        assert client.post("/v1/accounts", json=NEW).status_code in (200, 201)


@pytest.mark.with_control("separated roles")
def test_nobody_has_both_roles(house: House) -> None:
    with pytest.raises(InvalidInput, match="may not be"):
        house.bureau.accounts.add(NewAccount("both", "it", BOTH, ""), by="local")
