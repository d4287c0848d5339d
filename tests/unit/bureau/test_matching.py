"""Charges of matching requests where the same bytes come twice at once, and one of the two fails."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from lab.bureau.exchange import Matching
from lab.bureau.exchange.deliveries import delivered
from lab.bureau.store.tables import MatchRow
from lab.terms.errors import ShulabError, Unreachable
from protocols.crew import CrewLost
from tests import matching
from tests.unit.bureau.scene import Scene

JOB = "job-1"


class Twice:
    """The same request twice: the first is charged and waits in its evaluation, the second comes beside it."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, *, second_fails: bool = False) -> None:
        self.scene, self.contract = scene, scene.contract()
        scene.bank.open_job(scene.bureau, self.contract)
        self.request = matching.request(scene.tables.codes[:5])
        self.begun, self.go_on = threading.Event(), threading.Event()
        real, calls = Matching._evaluate, []

        def evaluate(room: Matching, *given: object) -> np.ndarray:
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

        monkeypatch.setattr(Matching, "_evaluate", evaluate)

    def evaluated(self) -> None:
        """What happens between the second's evaluation and its answer."""

    def ask(self) -> bytes:
        return self.scene.bureau.match(self.contract, JOB, self.request)

    def first(self, threads: ThreadPoolExecutor) -> Future[bytes]:
        asked = threads.submit(self.ask)
        assert self.begun.wait(30)
        return asked

    @property
    def used(self) -> int:
        return int(self.scene.bureau.allowance(self.contract)["identifiers"]["used"])


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
    assert twice.used == 5
    with scene_on_both.bureau.store.read() as session:
        assert [one.rows for one in delivered(session, twice.contract)] == [5]


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
        assert twice.ask() and twice.used == 5
    with scene_on_both.bureau.store.read() as session:
        (row,) = session.query(MatchRow)
        assert row.answered_at is not None and row.identifiers == 5


def test_both_failing_costs_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Twice(scene, monkeypatch, second_fails=True)
    with ThreadPoolExecutor(1) as threads:
        first = twice.first(threads)
        with pytest.raises(Unreachable):
            twice.ask()
        twice.go_on.set()
        assert isinstance(first.exception(30), ShulabError)
    assert twice.used == 0
    with scene.bureau.store.read() as session:
        assert session.query(MatchRow).count() == 0 and delivered(session, twice.contract) == []


def test_a_lost_cluster_costs_nothing_and_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)

    def lost(*_: object, **__: object) -> object:
        raise CrewLost("No Dask scheduler answers at tcp://127.0.0.1:9.")

    monkeypatch.setattr("lab.bureau.office._FEW_ELEMENTS", 0)
    settings = scene.bureau.home.settings.model_copy(update={"cluster": "tcp://127.0.0.1:9"})
    monkeypatch.setattr(type(scene.bureau.home), "settings", settings, raising=False)
    monkeypatch.setattr("lab.bureau.office.open_crew", lost)
    with pytest.raises(Unreachable, match="scheduler"):
        scene.bureau.match(contract, JOB, matching.request(scene.tables.codes[:5]))
    assert scene.bureau.allowance(contract)["identifiers"]["used"] == 0
