"""Sends requests in the background, in order, while the main thread prepares the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

_T = TypeVar("_T")


class BackgroundSender(Generic[_T]):
    """Runs tasks in daemon threads, so that an interrupted job ends at once instead of waiting for the bureau.

    ``threads``: how many tasks run at a time; they start in the order in which they were given. After a failure no
    further task starts: those that wait are cancelled, and a cancelled task has sent nothing. An error of a type in
    ``continue_after`` fails its own task alone.
    """

    def __init__(self, *, threads: int = 1, continue_after: tuple[type[Exception], ...] = ()) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], _T], Future[_T]] | None] = SimpleQueue()
        self._continue_after = continue_after
        self._stopped = False
        self._threads = [threading.Thread(target=self._run_tasks, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def send(self, task: Callable[[], _T]) -> Future[_T]:
        """Queue ``task``; the future gives its result, or raises what it raised."""
        future: Future[_T] = Future()
        self._queue.put((task, future))
        return future

    def close(self) -> None:
        """Start no further task. A task that is running is not waited for."""
        self._stopped = True
        for _ in self._threads:
            self._queue.put(None)

    def _run_tasks(self) -> None:
        while (item := self._queue.get()) is not None:
            task, future = item
            if self._stopped:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                outcome = task()
            except BaseException as error:
                if not isinstance(error, self._continue_after):
                    self._stopped = True
                future.set_exception(error)
            else:
                future.set_result(outcome)
