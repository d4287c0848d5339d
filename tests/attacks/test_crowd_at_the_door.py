"""A stranger uses the password check to take the service's memory: each takes 64 MiB, and no account is needed.

They send forty tries at once, 2.5 GiB of them. What stops it: two are checked at a time, and the others told to come
back.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from lab.bureau.people.passwords import Passwords
from sandbox.http.limits import ConcurrencyLimit, WorkSlot
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Memory taken by password checks",
    who="a stranger",
    wants="to exhaust the service's memory with password checks",
    stopped_by={
        "sign-in places": "Two passwords are checked at a time; further callers get 503.",
    },
    shipped="two (`sign_in_places`)",
    code=["sandbox.http.limits"],
)

CROWD = 40


def storm(house: House, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many passwords were being checked at the same moment."""
    begun, told, ended, changed = [0], [0], [0], threading.Condition()
    most = [0]

    def fits(room: Passwords, stored: str | None, password: str) -> bool:
        """A check without the memory, that takes until everybody is being checked or was told to come back."""
        with changed:
            begun[0] += 1
            most[0] = max(most[0], begun[0] - ended[0])
            changed.notify_all()
            changed.wait_for(lambda: begun[0] + told[0] == CROWD, timeout=60)
            ended[0] += 1
        return False

    monkeypatch.setattr(Passwords, "verify", fits)

    def knock(number: int) -> int:
        with house.client() as client:
            status = client.post("/v1/sign-in", json={"name": f"nobody-{number}", "password": "x"}).status_code
        with changed:
            told[0] += status == 503
            changed.notify_all()
        return status

    with ThreadPoolExecutor(CROWD) as pool:
        assert set(pool.map(knock, range(CROWD))) <= {401, 503}
    return most[0]


@pytest.mark.without_control("sign-in places")
def test_without_places_the_crowd_is_let_in_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = ThreadPoolExecutor(CROWD)

    @asynccontextmanager
    async def everybody(places: ConcurrencyLimit):
        yield WorkSlot(crowd)

    monkeypatch.setattr(ConcurrencyLimit, "acquire", everybody)
    assert storm(house, monkeypatch) > CROWD / 2


@pytest.mark.with_control("sign-in places")
def test_two_are_let_in_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storm(house, monkeypatch) <= 2
