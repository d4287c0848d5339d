"""The waits between tries: longer each time, bounded, and never beyond the deadline."""

from __future__ import annotations

import itertools

import pytest

from lab.transport.back_off import BackOff


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    timer = BackOff(first_wait=1.0, factor=3.0, longest_wait=5.0, jitter=0.0).start()
    assert [timer.next_wait() for _ in range(4)] == [1.0, 3.0, 5.0, 5.0]
    assert not timer.is_expired


def test_what_the_other_side_asks_for_counts_once_and_up_to_the_longest() -> None:
    timer = BackOff(first_wait=1.0, longest_wait=5.0, jitter=0.0).start()
    assert [timer.next_wait(at_least=4.0), timer.next_wait(), timer.next_wait(at_least=60.0)] == [4.0, 2.0, 5.0]


def test_the_jitter_goes_both_ways_and_no_further() -> None:
    waits = [BackOff(first_wait=1.0, jitter=0.25).start().next_wait() for _ in range(500)]
    assert 0.75 <= min(waits) < 0.8 < 1.2 < max(waits) <= 1.25


def test_no_wait_passes_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.chain([0.0, 9.0, 9.0, 10.0, 11.0], itertools.repeat(11.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    timer = BackOff(first_wait=4.0, jitter=0.0, deadline=10.0).start()
    assert not timer.is_expired
    assert timer.next_wait() == 1.0
    assert timer.is_expired
    assert timer.next_wait() == 0.0
