"""Somebody guesses an officer's password, from many machines at once.

They have a list that the password is in, at place forty. What stops it: the lockout. After five failures the account
is locked, for longer each time, and of tries at the same moment no more are judged than of tries in a row.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.bureau.people import Role, lockout
from lab.bureau.people.passwords import Passwords
from tests.support.password_guesses import failed_tries, locks
from tests.support.served_bureau import PASSWORD, House

pytestmark = [
    pytest.mark.threat(
        "Guessed password",
        who="a stranger",
        wants="to guess an officer's password, from many machines at once",
        stopped_by={
            "lockout": (
                "After five failures the account is locked, for longer each time. Parallel tries are checked one "
                "after another."
            ),
        },
        code=["lab.bureau.people"],
    ),
    pytest.mark.threat(
        "Cracked password hashes",
        who="somebody on the machine",
        wants="to crack passwords from a copy of the database",
        stopped_by={
            "argon2id": (
                "Passwords are hashed with Argon2id. First passwords are random, with 99 bits. A weak password "
                "can still be found, more slowly."
            ),
        },
        code=["lab.bureau.people.passwords"],
    ),
]

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


@pytest.mark.without_control("lockout")
def test_without_the_lock_out_the_password_is_found(quick: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "MAX_ATTEMPTS", 10**6)
    assert set(guess(quick, 1)) == {PASSWORD}


@pytest.mark.with_control("lockout")
@pytest.mark.parametrize("threads", [1, 8])
def test_the_account_is_locked_and_the_right_guess_lets_nobody_in(quick: House, threads: int) -> None:
    assert guess(quick, threads) == []
    store, now = quick.bureau.store, quick.bureau.now()
    assert failed_tries(store, now)["locked"] == len(GUESSES) - lockout.MAX_ATTEMPTS
    assert locks(store, now) == [int(lockout.FIRST_LOCK.total_seconds())]


WORDS = [f"some words {number}" for number in range(20_000)]
RIGHT = WORDS[15_000]


def crack(fits: Callable[[str], bool], seconds: float) -> tuple[bool, int]:
    """A thief has a hash from the database and a list of words, and tries at home: found within the time, and tries."""
    end = time.process_time() + seconds
    for number, word in enumerate(WORDS, 1):
        if fits(word):
            return True, number
        if time.process_time() > end:
            return False, number
    return False, len(WORDS)


@pytest.mark.without_control("argon2id")
def test_without_argon2_a_stolen_hash_is_cracked_in_a_second() -> None:
    """A salted SHA-256, as databases have them by the million."""
    stored = hashlib.sha256(b"salt" + RIGHT.encode()).digest()
    found, _ = crack(lambda word: hashlib.sha256(b"salt" + word.encode()).digest() == stored, 1.0)
    assert found


@pytest.mark.with_control("argon2id")
def test_a_stolen_hash_is_tried_a_few_dozen_times_in_a_second() -> None:
    room = Passwords()
    stored = room.hash(RIGHT)
    found, tries = crack(lambda word: room.verify(stored, word), 1.0)
    assert not found and tries < 100
