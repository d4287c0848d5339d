"""Phases follow one another, and add up to the total whatever lies between them."""

from __future__ import annotations

import time

import pytest

from lab.simulation.trial.phases import ANNOUNCED, PHASE_LABELS, TrialPhases


def test_phases_add_up_to_the_total() -> None:
    begun = time.time()
    phases = TrialPhases(begun - 5)
    with phases.phase("read"):
        time.sleep(0.02)
    time.sleep(0.03)  # between two phases: it counts to the later one
    with phases.phase("train"):
        pass
    found = phases.totals()
    total = found.pop("total")
    assert found["start"] == pytest.approx(5, abs=0.5) and found["read"] >= 0.02 and found["train"] >= 0.03
    assert total == pytest.approx(sum(found.values()), abs=0.002)
    assert total == pytest.approx(time.time() - begun + 5, abs=0.1)


def test_phases_that_begin_are_announced() -> None:
    said: list[tuple[int, str]] = []
    phases = TrialPhases(announce=lambda place, words: said.append((place, words[1])))
    for name in PHASE_LABELS:
        with phases.phase(name):
            pass
    assert said == [(place, PHASE_LABELS[name][1]) for place, name in enumerate(ANNOUNCED, start=1)]
