"""A bank asks about every enterprise there is, to have the whole register; by many requests at once if it must.

Its contract allows sixty identifiers. What stops it: the count, which one statement of the database adds to and holds
against the ceiling, so that requests at the same moment do not all find room.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.exchange import charges
from lab.bureau.store.tables import UsageRow
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed, ShulabError
from protocols.matching.bank import MIN_CANARIES, Blinding, read_setup
from tests.support.bank_matching import ENGINE
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Enumerated register",
    who="a bank",
    wants="to ask about every possible identifier, with many requests at once if necessary",
    stopped_by={
        "ceiling": "The contract limits the number of identifiers, over all its jobs and versions.",
        "one statement": (
            "One SQL statement adds to the count and compares it with the ceiling, so parallel requests cannot "
            "both pass."
        ),
    },
    shipped="on, at 1,000,000 identifiers; set it to the size of the portfolio (`lab bank plan`)",
    code=["lab.bureau.exchange.charges"],
)

PIECE, PIECES = 30, 2
CEILING = PIECES * (PIECE + MIN_CANARIES)
"""For two requests of thirty codes, with what goes along with them."""


def enumerate_all(house: House, threads: int) -> set[str]:
    """The codes of the register that the bank has values of in the end."""
    scene = house.scene
    contract = scene.contract(ceilings=Ceilings(identifiers=CEILING))
    scene.bank.open_job(house.bureau, contract)
    codes = scene.tables.codes
    outlets = [house.outlet() for _ in range(len(codes) // PIECE)]

    def ask(number: int) -> list[str]:
        asked, blinding = codes[number * PIECE : (number + 1) * PIECE], Blinding(ENGINE, bytes([number] * 32))
        while True:
            try:
                stated = read_setup(outlets[number].matching_setup(contract, "job-1")).signed_key
                answer, _ = outlets[number].match(contract, "job-1", blinding.build_request(asked))
            except NotAllowed:
                return []
            except ShulabError:  # every place was taken: once more
                continue
            blinding.finalize(answer, len(asked), stated.public_key)
            return asked

    with ThreadPoolExecutor(threads) as pool:
        return {code for found in pool.map(ask, range(len(outlets))) for code in found}


@pytest.mark.without_control("ceiling")
def test_without_the_count_the_whole_register_is_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bureau.exchange.matching.match_requests.charge_identifiers", lambda *_: None)
    assert enumerate_all(house, 1) == set(house.scene.tables.codes)


@pytest.mark.without_control("one statement")
def test_without_one_statement_parallel_requests_pass_the_ceiling(
    house_on_postgresql: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former way: read the count, compare, write it; and no lock on the contract meanwhile."""
    together = threading.Barrier(3)

    def read_then_write(session: Session, contract: str, counter: str, amount: int, ceiling: int) -> bool:
        query = select(UsageRow.used).where(UsageRow.contract_id == contract, UsageRow.counter == counter)
        before = session.scalar(query) or 0
        together.wait(30)
        if before + amount > ceiling:
            return False
        session.merge(UsageRow(contract_id=contract, counter=counter, used=before + amount))
        return True

    monkeypatch.setattr(charges, "_add", read_then_write)
    monkeypatch.setattr("lab.bureau.exchange.access.lock_contract", lambda *_: None)
    scene = house_on_postgresql.scene
    contract = scene.contract(ceilings=Ceilings(identifiers=CEILING))
    scene.bank.open_job(scene.bureau, contract)
    with scene.bureau.store.begin() as session:
        session.add(UsageRow(contract_id=contract, counter=charges.IDENTIFIERS, used=0))
    asked = [scene.tables.codes[number * PIECE : (number + 1) * PIECE] for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda codes: ask_once(scene, contract, codes), asked))
    assert sum(found) > PIECES * PIECE


def ask_once(scene: Scene, contract: str, codes: list[str]) -> int:
    try:
        scene.bureau.matching.match(contract, "job-1", Blinding(ENGINE, bytes([len(codes)] * 32)).build_request(codes))
    except NotAllowed:
        return 0
    return len(codes)


@pytest.mark.with_control("ceiling", "one statement")
def test_no_number_of_requests_at_once_reads_more_than_the_ceiling(house_on_both: House) -> None:
    assert len(enumerate_all(house_on_both, 8)) == PIECES * PIECE
