"""A bank that has a batch charged under each of two contracts in the same moment, to pass what replies may tell it.

What replies tell of a model adds up for a bank over all its contracts, and a contract's lock orders what happens under
that contract alone: of two batches at once, neither sees what the other spends. With as many contracts as a bank has,
the bound is passed by as many batches, each time it is nearly used.

What stops it: who adds up what a bank has spent holds the bank's row until its charge is written.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from lab.bureau.exchange.scoring import batch_scoring, leakage_budget
from lab.terms.errors import NotAllowed
from protocols.scoring.parameters import ParameterSet
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_exchange import JOB, batch_of

pytestmark = pytest.mark.threat(
    "Leakage budget passed in parallel",
    who="a bank",
    wants="to exceed the limit on what replies may reveal, with batches under two contracts at once",
    stopped_by={
        "bank lock": "A lock on the bank's row is held while its use of the budget is added up and written.",
    },
    code=["lab.bureau.exchange.scoring.leakage_budget"],
)


@pytest.fixture
def bank(postgresql_url: str, open_scene: Callable[[str], Scene], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """On PostgreSQL: SQLite has one writer at a time in any case. A batch spends more than half of all."""
    monkeypatch.setattr(ParameterSet, "leakage_share", lambda *_: 0.6)
    return open_scene(postgresql_url)


def both_at_once(bank: Scene, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[bool]:
    """Whether each of two batches, under a contract each, was charged; they meet after what is spent was added up.

    ``patience``: seconds after which one that waits for the other goes on alone.
    """
    contracts = [bank.contract(), bank.contract()]
    batches = [batch_of(bank, contract) for contract in contracts]
    check_fresh, meeting = leakage_budget.check_fresh_ciphertexts, Barrier(2, timeout=patience)

    def meet(*arguments: Any) -> None:
        with suppress(BrokenBarrierError):  # the other one waits at the lock
            meeting.wait()
        check_fresh(*arguments)

    monkeypatch.setattr(batch_scoring, "check_fresh_ciphertexts", meet)

    def charged(contract: str, batch: bytes) -> bool:
        try:
            bank.bureau.scoring.receive(contract, JOB, batch)
        except NotAllowed as refused:
            assert "60.0% is used" in str(refused)
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        return sorted(threads.map(charged, contracts, batches))


@pytest.mark.without_control("bank lock")
def test_without_the_banks_lock_two_batches_pass_the_bound(bank: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage_budget, "lock_bank", lambda *_: None)
    assert both_at_once(bank, monkeypatch, patience=60) == [True, True]


@pytest.mark.with_control("bank lock")
def test_one_of_two_batches_at_once_is_refused(bank: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert both_at_once(bank, monkeypatch, patience=2) == [False, True]
