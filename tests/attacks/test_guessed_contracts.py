"""A stranger with a key of their own, or a person without the right to, guesses ids of contracts, to learn who works
with the bureau.

They have no contract. They want to tell the ids that exist from those that do not. What stops it: one answer for
everything that is not the caller's: unknown contract, another bank's, unknown and revoked key. A person's refusals
grow the ledger, of which everybody can ask the size, by their number alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.bureau.ledger.rate_limited_entries import KNOWN_ENTRY_LIMIT, Tally, record_or_count
from lab.bureau.people import Role, account_service
from lab.terms.errors import NotFound
from tests.support.bureau_standin import Key
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Guessed contracts",
    who="a stranger",
    wants="to learn which contracts exist, and so who works with the bureau",
    stopped_by={
        "one answer": "Unknown contracts and unknown, wrong or revoked keys get the same answer.",
        "flat count": "The ledger records a person's refusals by their number alone, whatever contract was named.",
    },
    code=["sandbox.auth.bank"],
)

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


@pytest.mark.without_control("one answer")
def test_without_one_answer_the_ids_are_sorted_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, guessed = ids_of(house)
    of_contract = house.bureau.banks.find_id_by_contract

    def frank(contract: str) -> str:
        owner = of_contract(contract)
        if owner is None:
            raise NotFound("There is no such contract.")
        return owner

    monkeypatch.setattr(house.bureau.banks, "find_id_by_contract", frank)
    assert sort_out(house, guessed) == real


@pytest.mark.with_control("one answer")
def test_the_answers_are_all_the_same(house: House) -> None:
    _, guessed = ids_of(house)
    assert sort_out(house, guessed) == []


def grown(house: House) -> list[str]:
    """The ids for which the ledger grows when a researcher, who may read no contract, asks for them."""
    _, guessed = ids_of(house)
    token, found = house.settle("r.one", Role.RESEARCHER), []
    with house.client(token) as client:
        for number in range(KNOWN_ENTRY_LIMIT):
            assert client.get(f"/v1/desk/contracts/c-none-{number}").status_code == 403
        for contract in guessed:
            before = house.scene.size()
            assert client.get(f"/v1/desk/contracts/{contract}").status_code == 403
            found += [contract] if house.scene.size() > before else []
    return found


@pytest.mark.without_control("flat count")
def test_counted_by_contract_the_size_of_the_ledger_sorts_the_ids_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_contract(session: Any, kind: str, contract: Any, facts: Any, tally: Tally, **more: Any) -> Any:
        return record_or_count(session, kind, contract, facts, replace(tally, sort=""), **more)

    monkeypatch.setattr(account_service, "record_or_count", by_contract)
    assert len(grown(house)) == 2


@pytest.mark.with_control("flat count")
def test_the_size_of_the_ledger_sorts_nothing_out(house: House) -> None:
    assert grown(house) == []
    assert {entry["contract"] for entry in house.entries("refused")} == {None}
