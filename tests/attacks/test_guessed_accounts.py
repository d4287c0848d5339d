"""A stranger wants to know who works at the bureau, and tries names with any password.

A name that nobody has is answered at once; for one that somebody has, the password is hashed, and that takes a while.
In the way stands that the same work is done, and the same answer given, for names that nobody has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest

from lab.bureau.people import NewAccount, People, Role
from lab.bureau.people.passwords import Passwords
from lab.terms.errors import NotAuthentic
from tests.unit.bureau.scene import Scene

ABSENT, PRESENT = "wu.ming", "li.wei"


def people_of(scene: Scene) -> People:
    """The bureau's people with the hashes of the product."""
    people = People(scene.bureau.store, scene.clock)
    people.add(NewAccount(PRESENT, "credit", frozenset({Role.OFFICER}), ""), by="local")
    return people


def knock(people: People, name: str) -> tuple[float, str]:
    """The work that a try takes, in seconds of processor time, and the answer."""
    begun = time.process_time()
    with pytest.raises(NotAuthentic) as told:
        people.sign_in(name, "any password")
    return time.process_time() - begun, str(told.value)


def times(people: People) -> tuple[float, float]:
    """The work for a name that nobody has, and for one that somebody has."""
    knock(people, ABSENT)  # the first makes the hash that unknown names are compared with
    work: Callable[[str], float] = lambda name: median(knock(people, name)[0] for _ in range(3))  # noqa: E731
    return work(ABSENT), work(PRESENT)


def test_without_the_same_work_a_name_is_told_by_the_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = Passwords.fits

    def at_once(room: Passwords, stored: str | None, password: str) -> bool:
        return stored is not None and fits(room, stored, password)

    people = people_of(scene)
    monkeypatch.setattr(Passwords, "fits", at_once)
    absent, present = times(people)
    assert absent < present / 3


def test_neither_time_nor_answer_tells_a_name(scene: Scene) -> None:
    people = people_of(scene)
    absent, present = times(people)
    assert present / 2 < absent < present * 2
    assert knock(people, ABSENT)[1] == knock(people, PRESENT)[1]
