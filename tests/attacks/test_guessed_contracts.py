"""A stranger with a key of their own guesses ids of contracts, to learn who works with the bureau.

They have no contract. They want to tell the ids that exist from those that do not. In the way stands one answer for
everything that is not the caller's: unknown contract, another bank's, unknown and revoked key.
"""

from __future__ import annotations

import pytest

from lab.terms.errors import NotFound
from tests.attacks.house import House
from tests.service.standin import Key

ROUTES = ("", "/sheet", "/allowance", "/register", "/jobs/job-1", "/matching/setup?job=job-1")


def sort_out(house: House, ids: list[str]) -> list[str]:
    """The ids that the stranger holds for real: those whose answers differ from the answers to an impossible one."""
    stranger = Key()

    def answers(contract: str) -> list[tuple[int, str]]:
        found = []
        for path in ROUTES:
            target = f"/v1/contracts/{contract}{path}"
            answer = house.send("GET", target, house.signed("GET", target, signer=stranger))
            said = answer.text.replace(answer.json()["instance"], "").replace(contract, "ID")
            found.append((answer.status_code, said))
        return found

    none = answers("c-00000000-00000000")
    return [contract for contract in ids if answers(contract) != none]


def ids_of(house: House) -> tuple[list[str], list[str]]:
    real = [house.scene.contract() for _ in range(2)]
    return real, [real[0], "c-20260301-ffffffff", real[1], "c-20260301-eeeeeeee"]


def test_without_one_answer_the_ids_are_sorted_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, guessed = ids_of(house)
    of_contract = house.bureau.banks.of_contract

    def frank(contract: str) -> str:
        owner = of_contract(contract)
        if owner is None:
            raise NotFound("There is no such contract.")
        return owner

    monkeypatch.setattr(house.bureau.banks, "of_contract", frank)
    assert sort_out(house, guessed) == real


def test_the_answers_are_all_the_same(house: House) -> None:
    _, guessed = ids_of(house)
    assert sort_out(house, guessed) == []
