"""Charges of matching requests where the same bytes come twice at once, and one of the two fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import distributed
import numpy as np
import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.exchange import MatchingService
from lab.bureau.exchange.delivered_results import list_deliveries
from lab.bureau.exchange.matching.match_requests import chunk_size
from lab.bureau.store.tables import MatchRequestRow
from lab.terms.errors import ShulabError, Unreachable
from protocols.matching.bureau import MIN_CANARIES
from tests.support import bank_matching
from tests.support.bureau_scene import Scene

JOB = "job-1"


class Twice:
    """The same request twice: the first is charged and waits in its evaluation, the second comes beside it."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, *, second_fails: bool = False) -> None:
        self.scene, self.contract = scene, scene.contract()
        scene.bank.open_job(scene.bureau, self.contract)
        self.request = bank_matching.request(scene.tables.codes[:5])
        self.begun, self.go_on = threading.Event(), threading.Event()
        real, calls = MatchingService._evaluate, []

        def evaluate(room: MatchingService, *given: object) -> np.ndarray:
            calls.append(1)
            if len(calls) == 1:
                self.begun.set()
                assert self.go_on.wait(30)
                raise Unreachable("The workers died.", next_step="send it again")
            if len(calls) == 2 and second_fails:
                raise Unreachable("The workers died.", next_step="send it again")
            found = real(room, *given)  # type: ignore[arg-type]
            self.evaluated()
            return found

        monkeypatch.setattr(MatchingService, "_evaluate", evaluate)

    def evaluated(self) -> None:
        """What happens between the second's evaluation and its answer."""

    def ask(self) -> bytes:
        return self.scene.bureau.matching.match(self.contract, JOB, self.request)[0]

    def first(self, threads: ThreadPoolExecutor) -> Future[bytes]:
        asked = threads.submit(self.ask)
        assert self.begun.wait(30)
        return asked

    @property
    def used(self) -> int:
        return int(self.scene.bureau.bank_contracts.allowance(self.contract)["identifiers"]["used"])


def test_what_was_answered_stays_charged_though_the_first_to_ask_fails(
    scene_on_both: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = Twice(scene_on_both, monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        first = twice.first(threads)
        assert twice.ask()
        twice.go_on.set()
        with pytest.raises(Unreachable):
            first.result(30)
    assert twice.used == 5 + MIN_CANARIES
    with scene_on_both.bureau.store.begin_read() as session:
        assert [one.rows for one in list_deliveries(session, twice.contract)] == [5 + MIN_CANARIES]


def test_what_was_given_back_meanwhile_is_not_answered(scene_on_both: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Twice(scene_on_both, monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        first = twice.first(threads)

        def fail_the_first() -> None:
            twice.go_on.set()
            assert isinstance(first.exception(30), Unreachable)

        monkeypatch.setattr(twice, "evaluated", fail_the_first)
        with pytest.raises(Unreachable, match="given up"):
            twice.ask()
        assert twice.used == 0
        monkeypatch.setattr(twice, "evaluated", lambda: None)
        assert twice.ask() and twice.used == 5 + MIN_CANARIES
    with scene_on_both.bureau.store.begin_read() as session:
        (row,) = session.query(MatchRequestRow)
        assert row.answered_at is not None and row.identifiers == 5 + MIN_CANARIES


def test_both_failing_costs_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Twice(scene, monkeypatch, second_fails=True)
    with ThreadPoolExecutor(1) as threads:
        first = twice.first(threads)
        with pytest.raises(Unreachable):
            twice.ask()
        twice.go_on.set()
        assert isinstance(first.exception(30), ShulabError)
    assert twice.used == 0
    with scene.bureau.store.begin_read() as session:
        assert session.query(MatchRequestRow).count() == 0 and list_deliveries(session, twice.contract) == []


@pytest.fixture
def opened_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Scene]:
    """Opens the scene's bureau again to work on a cluster, for requests of any size."""
    monkeypatch.setattr("lab.bureau.workers.pools.MAX_LOCAL_ELEMENTS", 0)

    def opened(address: str) -> Scene:
        scene.bureau.close()
        scene.bureau = Bureau.open(scene.home, clock=scene.clock, changes={"cluster": address})
        return scene

    return opened


def test_a_cluster_answers_with_the_same_bytes(scene: Scene, opened_on: Callable[[str], Scene]) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    request = bank_matching.request([f"firm-{number:05d}" for number in range(9000)])
    alone = scene.bureau.matching.match(contract, JOB, request)[0]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        assert opened_on(cluster.scheduler_address).bureau.matching.match(contract, JOB, request)[0] == alone
    scene.reopen()
    assert scene.bureau.home.settings.cluster == ""  # it was for that once


def test_a_lost_cluster_costs_nothing_and_is_told(scene: Scene, opened_on: Callable[[str], Scene]) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    with pytest.raises(Unreachable, match="scheduler"):
        opened_on("tcp://127.0.0.1:9").bureau.matching.match(
            contract, JOB, bank_matching.request(scene.tables.codes[:5])
        )
    assert scene.bureau.bank_contracts.allowance(contract)["identifiers"]["used"] == 0


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
@pytest.mark.parametrize("elements", [0, 1, 4_095, 8_192, 33_671, 50_000, 1_000_000])
def test_chunks_keep_the_workers_busy_and_are_not_too_large(elements: int, workers: int) -> None:
    size = chunk_size(elements, workers)
    chunks = -(-elements // size)
    assert 1 <= size <= 25_000
    assert chunks <= max(workers, -(-elements // 25_000))
    if elements >= 4_096 * workers:
        assert chunks >= workers
