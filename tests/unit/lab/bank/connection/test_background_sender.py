"""The background sender: how many tasks run at a time, in which order, and what a failure stops."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from lab.bank.connection.background_sender import BackgroundSender


class Refused(Exception):
    pass


def test_after_a_failure_nothing_more_is_sent() -> None:
    sender: BackgroundSender[int] = BackgroundSender()
    release = threading.Event()

    def fail() -> int:
        release.wait(30)
        raise Refused

    outcomes = [sender.send(lambda: 1), sender.send(fail), sender.send(lambda: 3)]
    release.set()
    assert outcomes[0].result(30) == 1
    with pytest.raises(Refused):
        outcomes[1].result(30)
    with pytest.raises(CancelledError):
        outcomes[2].result(30)
    sender.close()


def test_an_expected_error_fails_its_own_task_alone() -> None:
    sender: BackgroundSender[int] = BackgroundSender(continue_after=(Refused,))

    def refuse() -> int:
        raise Refused

    refused, sent = sender.send(refuse), sender.send(lambda: 2)
    with pytest.raises(Refused):
        refused.result(30)
    assert sent.result(30) == 2
    sender.close()


def test_as_many_tasks_run_at_a_time_as_there_are_threads() -> None:
    sender: BackgroundSender[int] = BackgroundSender(threads=2)
    running, release, third_started = threading.Barrier(3), threading.Event(), threading.Event()

    def block() -> int:
        running.wait(30)
        release.wait(30)
        return 1

    def third() -> int:
        third_started.set()
        return 3

    outcomes = [sender.send(block), sender.send(block)]
    last = sender.send(third)
    running.wait(30)
    assert not third_started.wait(0.05)
    release.set()
    assert [outcome.result(30) for outcome in outcomes] == [1, 1] and last.result(30) == 3
    sender.close()


def test_nothing_starts_once_it_is_closed() -> None:
    sender: BackgroundSender[int] = BackgroundSender()
    sender.close()
    waiting = sender.send(lambda: 1)
    assert waiting.cancel() or waiting.cancelled()
