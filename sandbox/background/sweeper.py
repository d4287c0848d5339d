"""Calls the bureau's sweep at the start and at set intervals: expired contracts, expired files, unused key epochs."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Sweeper:
    """One thread; ``start`` and ``stop`` it. ``on_error`` gets an error; the next round tries again."""

    def __init__(self, sweep: Callable[[], object], *, seconds: float, on_error: Callable[[Exception], None]) -> None:
        self._sweep, self._seconds, self._on_error = sweep, seconds, on_error
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        """Start with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the present round."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._sweep()
            except Exception as error:  # the database may be unreachable for a while; the thread must survive that
                self._on_error(error)
            self._stopped.wait(self._seconds)
