"""One thing after another on its way, while the work that comes before and after goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

_T = TypeVar("_T")


class BackgroundSender(Generic[_T]):
    """Sends in a thread that does not keep the process alive, so that an interrupted job ends at once.

    After a failure nothing more is sent: what waits is cancelled, so that it is known not to have left.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[Callable[[], _T], Future[_T]] | None] = SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, task: Callable[[], _T]) -> Future[_T]:
        """The outcome of ``task``, which is done after those before it."""
        future: Future[_T] = Future()
        self._waiting.put((task, future))
        return future

    def close(self) -> None:
        """Send nothing more; what is on its way is left to itself."""
        self._stopped = True
        self._waiting.put(None)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            task, future = item
            if self._stopped:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                outcome = task()
            except BaseException as error:
                self._stopped = True
                future.set_exception(error)
            else:
                future.set_result(outcome)
