"""The sweeper: a round at the start, another at each interval, and a failed round is no end of it."""

from __future__ import annotations

import threading

from sandbox.background.sweeper import Sweeper


def test_rounds_go_on_after_a_failure_and_end_when_stopped() -> None:
    rounds = threading.Semaphore(0)
    seen: list[int] = []
    failures: list[Exception] = []

    def sweep() -> None:
        seen.append(len(seen))
        rounds.release()
        if len(seen) == 1:
            raise RuntimeError("the database is away")

    sweeper = Sweeper(sweep, seconds=0.01, on_error=failures.append)
    sweeper.start()
    for _ in range(3):
        assert rounds.acquire(timeout=30)
    sweeper.stop()
    assert [type(failure) for failure in failures] == [RuntimeError]
    count = len(seen)
    threading.Event().wait(0.1)
    assert len(seen) == count


def test_the_first_round_comes_at_once() -> None:
    begun = threading.Event()
    sweeper = Sweeper(begun.set, seconds=3600, on_error=lambda error: None)
    sweeper.start()
    assert begun.wait(30)
    sweeper.stop()
