"""Work that takes longer than a request should: done in the background, once for all requests that need it.

A request that comes meanwhile is refused with ``Busy`` and nothing is charged. Quick work is done at once. If the
process stops, the work stays as it is and continues when it is next requested.
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
_SHORTEST_RETRY, _LONGEST_RETRY = 1, 15
"""Shortest and longest seconds of ``Retry-After``."""


class _ServiceStopping(Exception):
    """The service is shutting down."""


class BackgroundWork:
    """Background work with one thread: heavy work uses all cores by itself. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="preparation")
        self._under_way: dict[Hashable, tuple[Future[Any], _BackgroundProgress]] = {}
        self._at_once: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._stop = threading.Event()

    def get_result(self, key: Hashable, quick: bool, work: Callable[[Progress], Result]) -> Result:
        """The result of ``work``: at once if it is ``quick``; else when it is done, and ``Busy`` until then.

        An error of the work is raised here once; the next request starts the work again.
        """
        if quick:
            with self._exclusive(key):
                return work(_BackgroundProgress(self._stop))
        with self._lock:
            if key not in self._under_way:
                progress = _BackgroundProgress(self._stop)
                self._under_way[key] = (self._executor.submit(work, progress), progress)
            future, progress = self._under_way[key]
            if future.done():
                del self._under_way[key]
            # Work that waits behind another, for example of another contract, takes at least as long as that.
            before = [] if progress.begun else [other for _, other in self._under_way.values() if other.begun]
        if future.done():
            result: Result = future.result()
            return result
        raise Busy(
            f"The register is being prepared for matching ({progress.message}); the request was not begun.",
            next_step="send it again later",
            retry_after=max(one.seconds_left() for one in (progress, *before)),
        )

    @contextmanager
    def _exclusive(self, key: Hashable) -> Iterator[None]:
        """One thread at a time for the same work."""
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
        """Stop at the next step; what is done stays, and the work continues later."""
        self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)


class _BackgroundProgress:
    """A progress that reports how far the work is and when to ask again, and ends it when the service stops."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.message, self.begun = "waiting", False
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
        self.message = f"{self._name}: {100 * self._done // self._total} %"

    def seconds_left(self) -> int:
        """Estimated seconds left in the present stage, within the bounds of ``Retry-After``."""
        if not self._done:
            return _SHORTEST_RETRY
        spent = time.monotonic() - self._begun
        return min(max(_SHORTEST_RETRY, math.ceil(spent * (self._total - self._done) / self._done)), _LONGEST_RETRY)
