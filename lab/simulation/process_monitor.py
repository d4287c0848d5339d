"""Processes that the simulation starts: their memory, and how they are ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import psutil

_SAMPLE_SECONDS = 0.05  # an evaluation takes tenths of a second, so this catches its peak


@dataclass
class MemoryMonitor:
    """The largest total memory of the monitored processes so far, in bytes."""

    peak_bytes: int = 0

    @contextmanager
    def sampling(self, pid: int) -> Iterator[None]:
        """Sample the memory of a process and its descendants until the block is left."""
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(_SAMPLE_SECONDS):
                self.peak_bytes = max(self.peak_bytes, process_tree_rss(pid))

        watcher = threading.Thread(target=sample, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def process_tree_rss(pid: int) -> int:
    """Sum of the resident bytes of a process and its descendants; shared pages count more than once."""
    total = 0
    for member in process_tree(pid):
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def kill_process_tree(pid: int) -> None:
    """Kill a process and its descendants."""
    for member in reversed(process_tree(pid)):
        with suppress(psutil.Error):
            member.kill()


def program_start() -> float:
    """When this process was started, as ``time.time``."""
    return psutil.Process().create_time()


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit``, so that every ``finally`` runs."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def process_tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants; empty if it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
