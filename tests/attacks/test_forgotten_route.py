"""Somebody without a token, or with one that is of no use, tries every route there is for people.

One that forgot to ask who calls is enough. The list is that of the OpenAPI document, so that a route which is added
is tried too. What stops it: a route of people gets its person from one dependency, which raises.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from lab.bureau.people import Role, SignIn
from sandbox.auth import person
from tests.service.test_people_routes import labels
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Route without authentication",
    who="a stranger",
    wants="to find a route for people that does not authenticate its caller",
    stopped_by={
        "one dependency": (
            "One dependency authenticates every route for people. The test tries each route of the OpenAPI document."
        ),
    },
    code=["sandbox.auth.person"],
)

USELESS = ("", "Bearer nonsense", "Cookie shulab_session=x")


def open_routes(house: House, headers: dict[str, str]) -> list[str]:
    """The routes that do anything at all for such a caller: that answer otherwise than 401."""
    with house.client(**headers) as client:
        document = client.get("/v1/openapi.json").json()
        found = []
        for label in sorted({*labels(document, scheme="bearer"), *labels(document, scheme="signature")}):
            method, path = label.split(" ")
            answer = client.request(method, re.sub(r"\{[a-z0-9_]+\}", "c-20260101-1a2b3c4d", path), json={})
            found += [label] if answer.status_code != 401 else []
    return found


def headers_of(what: str) -> dict[str, str]:
    kind, _, value = what.partition(" ")
    return {"cookie": value} if kind == "Cookie" else {"authorization": what} if what else {}


@pytest.mark.without_control("one dependency")
def test_without_the_question_who_calls_routes_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One room forgets: whoever holds no token is taken for its administrator."""
    house.settle("root", Role.ADMINISTRATOR)
    account, now = house.bureau.accounts.find("root"), house.scene.clock.now
    nobody = SignIn("0" * 64, "0" * 64, account, now, now + timedelta(hours=1))
    monkeypatch.setattr(house.bureau.accounts, "find_sign_in", lambda _: nobody)
    opened = open_routes(house, {"authorization": "Bearer nonsense"})
    assert {"GET /v1/accounts", "POST /v1/accounts", "GET /v1/me"} <= set(opened)


@pytest.mark.with_control("one dependency")
@pytest.mark.parametrize("useless", USELESS)
def test_no_route_does_anything(house: House, useless: str) -> None:
    assert person.current_sign_in is not None
    assert open_routes(house, headers_of(useless)) == []


@pytest.mark.with_control("one dependency")
def test_a_one_time_password_opens_nothing_but_its_change(house: House) -> None:
    first = house.account("new.one", Role.ADMINISTRATOR)
    token = house.bureau.accounts.sign_in("new.one", first).token
    with house.client(token) as client:
        assert client.get("/v1/accounts").status_code == 403
        assert client.get("/v1/me").status_code == 200
