"""A bank sends one matching request twice at once, to have it answered and its charge given back.

A request that fails is not charged. The bank has one of the two fail (it cuts off, it times its requests so that the
bureau is at its limits) when the other has been answered. What stops it: a charge is given back only while nobody was
answered for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.bureau.exchange.charges import refund_identifiers
from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.exchange.matching.match_requests import MatchingService
from lab.bureau.store.tables import MatchRequestRow
from lab.terms.errors import ShulabError, Unreachable
from protocols.matching.bank import MIN_CANARIES, Blinding, read_setup
from tests.support.bank_matching import ENGINE
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Free matching answers",
    who="a bank",
    wants="to have a matching request answered and its charge given back",
    stopped_by={
        "refund rule": (
            "A charge is given back only if no response was given for it. The same request under one contract "
            "and key epoch is one charge, written in one transaction with its ledger entry."
        ),
    },
    code=["lab.bureau.exchange.matching.match_requests"],
)

SEED = bytes(range(32))


@pytest.fixture
def one_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[], threading.Event]:
    """The first evaluation fails, and not before the event: the answer to the second."""

    def arrange() -> threading.Event:
        evaluate, first, answered = MatchingService._evaluate, [True], threading.Event()

        def failing(room: MatchingService, *work: object) -> object:
            if first:
                first.pop()
                assert answered.wait(30)
                raise Unreachable("The workers were lost.")
            return evaluate(room, *work)  # type: ignore[arg-type]

        monkeypatch.setattr(MatchingService, "_evaluate", failing)
        return answered

    return arrange


def cheat(scene: Scene, answered: threading.Event) -> tuple[int, int]:
    """How many values the bank has in the end, and what it was charged for them."""
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    blinding = Blinding(ENGINE, SEED)
    request = blinding.build_request(scene.tables.codes[:30])
    with ThreadPoolExecutor(1) as threads:
        failing = threads.submit(scene.bureau.matching.match, contract, "job-1", request)
        while "match.charged" not in scene.ledger():
            pass
        stated = read_setup(scene.bureau.matching.setup(contract, "job-1")).signed_key
        values = blinding.finalize(scene.bureau.matching.match(contract, "job-1", request)[0], 30, stated.public_key)
        answered.set()
        assert isinstance(failing.exception(), ShulabError)
    return len({bytes(value) for value in values}), scene.bureau.bank_contracts.allowance(contract)["identifiers"][
        "used"
    ]


@pytest.mark.without_control("refund rule")
def test_without_the_look_at_who_was_answered_the_values_are_free(
    scene: Scene, one_fails: Callable[[], threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(room: MatchingService, key: tuple[str, int, str, bool], *_: object) -> None:
        with room._store.begin() as session:
            lock_contract(session, key[0])
            row = session.get_one(MatchRequestRow, key)
            session.delete(row)
            refund_identifiers(session, key[0], row.identifiers)

    monkeypatch.setattr(MatchingService, "_refund", careless)
    assert cheat(scene, one_fails()) == (30, 0)


@pytest.mark.with_control("refund rule")
def test_what_was_answered_is_charged_once(scene_on_both: Scene, one_fails: Callable[[], threading.Event]) -> None:
    assert cheat(scene_on_both, one_fails()) == (30, 30 + MIN_CANARIES)
