"""Somebody guesses an officer's password, from many machines at once.

They have a list that the password is in, at place forty. In the way stands the lock-out: after five failures the
account is locked, for longer each time, and of tries at the same moment no more are judged than of tries in a row.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.bureau.people import Role, judging
from tests.attacks.house import PASSWORD, House

GUESSES = [f"password number {number}" for number in range(40)] + [PASSWORD] * 4


def guess(house: House, threads: int) -> list[str]:
    """The guesses that let somebody in."""

    def one(password: str) -> str:
        while True:
            with house.client() as client:
                answer = client.post("/v1/sign-in", json={"name": "li.wei", "password": password})
            if answer.status_code != 503:
                return password if answer.status_code == 200 else ""

    with ThreadPoolExecutor(threads) as pool:
        return [found for found in pool.map(one, GUESSES) if found]


@pytest.fixture
def quick(house: House) -> House:
    """A service with the officer's account."""
    house.settle("li.wei", Role.OFFICER)
    return house


def test_without_the_lock_out_the_password_is_found(quick: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "TRIES", 10**6)
    assert set(guess(quick, 1)) == {PASSWORD}


@pytest.mark.parametrize("threads", [1, 8])
def test_the_account_is_locked_and_the_right_guess_lets_nobody_in(quick: House, threads: int) -> None:
    assert guess(quick, threads) == []
    told = {one["facts"]["reason"] for one in quick.entries("sign-in.failed")}
    assert "locked" in told
    failures = [one["facts"]["failures"] for one in quick.entries("sign-in.locked")]
    assert failures == [judging.TRIES]
