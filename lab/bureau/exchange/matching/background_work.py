"""Work that a request needs and that takes longer than a request should: in the background, once, for all who ask.

Whoever asks meanwhile is told to come back (``Busy``); nothing was begun for them, so they can. What is quick is done
at once. A process that is stopped leaves the work where it stands; it goes on from there when it is next asked for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from lab.terms.errors import Busy
from lab.terms.progress import Progress, ProgressStage

Result = TypeVar("Result")
_AT_ONCE, _LATEST = 1, 15
"""Seconds after which whoever waits should ask again, whatever is left to do."""


class _ServiceStopping(Exception):
    """The service is shutting down."""


class BackgroundWork:
    """The background, with one worker: heavy work uses all cores by itself. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="preparation")
        self._under_way: dict[Hashable, tuple[Future[Any], _BackgroundProgress]] = {}
        self._at_once: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._stop = threading.Event()

    def get_result(self, key: Hashable, quick: bool, work: Callable[[Progress], Result]) -> Result:
        """What ``work`` gives: at once if it is ``quick``; else when it is done, and ``Busy`` until then.

        What the work raises is raised here, once, and the next to ask has it tried again.
        """
        if quick:
            with self._alone(key):
                return work(_BackgroundProgress(self._stop))
        with self._lock:
            if key not in self._under_way:
                watch = _BackgroundProgress(self._stop)
                self._under_way[key] = (self._executor.submit(work, watch), watch)
            future, watch = self._under_way[key]
            if future.done():
                del self._under_way[key]
            # Work that waits behind another, for example of another contract, takes at least as long as that.
            before = [] if watch.begun else [other for _, other in self._under_way.values() if other.begun]
        if future.done():
            result: Result = future.result()
            return result
        raise Busy(
            f"The register is being prepared for matching ({watch.told}); the request was not begun.",
            next_step="send it again later",
            retry_after=max(one.seconds_left() for one in (watch, *before)),
        )

    @contextmanager
    def _alone(self, key: Hashable) -> Iterator[None]:
        """One thread at a time for the same work; nothing is remembered of it afterwards."""
        with self._lock:
            lock, waiting = self._at_once.get(key, (threading.Lock(), 0))
            self._at_once[key] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._at_once.pop(key)
                if waiting > 1:
                    self._at_once[key] = (lock, waiting - 1)

    def close(self) -> None:
        """Stop at the next step; what is kept is gone on with later."""
        self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)


class _BackgroundProgress:
    """A progress that tells how far the work is and when to ask again, and ends it when the service stops."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.told, self.begun = "waiting", False
        self._name, self._total, self._done, self._begun = "", 1, 0, 0.0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        self._name, self._total, self._done, self._begun = name, max(total, 1), 0, time.monotonic()
        self.begun = True
        yield self

    def advance(self, units: int = 1) -> None:
        if self._stop.is_set():
            raise _ServiceStopping
        self._done += units
        self.told = f"{self._name}: {100 * self._done // self._total} %"

    def seconds_left(self) -> int:
        """Of the stage under way, as far as can be told by now."""
        if not self._done:
            return _AT_ONCE
        spent = time.monotonic() - self._begun
        return min(max(_AT_ONCE, math.ceil(spent * (self._total - self._done) / self._done)), _LATEST)
