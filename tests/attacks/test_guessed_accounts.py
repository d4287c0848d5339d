"""A stranger wants to know who works at the bureau, and tries names with any password.

A name that nobody has is answered at once; for one that somebody has, the password is hashed, and that takes a while.
What stops it: the same work is done, and the same answer given, for names that nobody has; and whether the ledger
grows, of which everybody can ask the size, does not depend on the name.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from lab.bureau.ledger.rate_limited_entries import STRANGER_ENTRY_LIMIT, Tally, record_or_count
from lab.bureau.people import AccountService, NewAccount, Role, lockout
from lab.bureau.people.lockout import MAX_ATTEMPTS
from lab.bureau.people.passwords import Passwords
from lab.terms.errors import NotAuthentic
from tests.support.bureau_scene import Scene
from tests.support.password_guesses import failed_tries, locks
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Guessed accounts",
    who="a stranger",
    wants="to learn who has an account at the bureau",
    stopped_by={
        "same work": "An unknown name costs the same work and gets the same answer as a known one.",
        "flat count": "The ledger records failures by their number alone, whatever names were tried.",
    },
    code=["lab.bureau.people.passwords", "lab.bureau.people.lockout"],
)

ABSENT, PRESENT = "wu.ming", "li.wei"


def people_of(scene: Scene) -> AccountService:
    """The bureau's people with the hashes of the product."""
    people = AccountService(scene.bureau.store, scene.clock)
    people.add(NewAccount(PRESENT, "credit", frozenset({Role.OFFICER}), ""), by="local")
    return people


def knock(people: AccountService, name: str) -> tuple[float, str]:
    """The work that a try takes, in seconds of processor time, and the answer."""
    begun = time.process_time()
    with pytest.raises(NotAuthentic) as told:
        people.sign_in(name, "any password")
    return time.process_time() - begun, str(told.value)


def times(people: AccountService) -> tuple[float, float]:
    """The work for a name that nobody has, and for one that somebody has: the least of tries by turns, because whatever
    else the machine does only adds to it."""
    knock(people, ABSENT)  # the first makes the hash that unknown names are compared with
    tries = [(knock(people, ABSENT)[0], knock(people, PRESENT)[0]) for _ in range(MAX_ATTEMPTS - 1)]
    return min(absent for absent, _ in tries), min(present for _, present in tries)


@pytest.mark.without_control("same work")
def test_without_the_same_work_a_name_is_told_by_the_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = Passwords.verify

    def at_once(room: Passwords, stored: str | None, password: str) -> bool:
        return stored is not None and fits(room, stored, password)

    people = people_of(scene)
    monkeypatch.setattr(Passwords, "verify", at_once)
    absent, present = times(people)
    assert absent < present / 3


@pytest.mark.with_control("same work")
def test_neither_time_nor_answer_tells_a_name(scene: Scene) -> None:
    people = people_of(scene)
    absent, present = times(people)
    assert present / 2 < absent < present * 2
    assert knock(people, ABSENT)[1] == knock(people, PRESENT)[1]


def size(house: House) -> int:
    """How many entries the ledger has, as anybody is told who asks for too many."""
    with house.client() as client:
        told = client.get("/v1/ledger/consistency", params={"from": 1, "to": 2**31 - 1}).json()["detail"]
    return int(told.split("ledger has ")[1].split()[0])


def grown(house: House) -> dict[str, int]:
    """By how many entries the ledger grows where a name is tried as often as locks an account, by name."""
    for name in ("li.wei", "zhao.min"):
        house.settle(name, Role.OFFICER)
    house.account("root", Role.ADMINISTRATOR)
    house.bureau.accounts.disable("zhao.min", by="local")
    found = {}
    for name in ("nobody", "wang.fang", "li.wei", "zhao.min", "sun.li", "NO NAME"):
        before = size(house)
        for _ in range(MAX_ATTEMPTS + 1):
            with house.client() as client:
                assert client.post("/v1/sign-in", json={"name": name, "password": "any password"}).status_code == 401
        found[name] = size(house) - before
    return found


@pytest.mark.without_control("flat count")
def test_counted_by_account_the_size_of_the_ledger_tells_a_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was: what is counted together is chosen by the account and the reason."""

    def by_account(session: Any, kind: str, contract: Any, facts: Any, tally: Tally, **more: Any) -> Any:
        about = {name: value for name, value in facts.items() if name in ("reason", "how", "account")}
        return record_or_count(session, kind, contract, facts, replace(tally, about=about, sort=""), **more)

    monkeypatch.setattr(lockout, "record_or_count", by_account)
    found = grown(house)
    assert found["wang.fang"] == found["sun.li"] == 0 and found["li.wei"] and found["zhao.min"]


@pytest.mark.with_control("flat count")
def test_the_size_of_the_ledger_tells_no_name(house_on_both: House) -> None:
    found = grown(house_on_both)
    assert found.pop("nobody") == STRANGER_ENTRY_LIMIT and set(found.values()) == {0}
    store, now = house_on_both.bureau.store, house_on_both.bureau.now()
    assert failed_tries(store, now) == {
        "no account": 4 * (MAX_ATTEMPTS + 1),
        "password": MAX_ATTEMPTS,
        "locked": 1,
        "disabled": 6,
    }
    assert locks(store, now) == [900]
