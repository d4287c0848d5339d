"""Work over several cores, or several machines: the same function over many rows of arguments, answers in order.

``ProcessComputePool`` is this machine's processes; ``DaskComputePool`` is a Dask cluster that somebody runs on
Kubernetes, YARN or over SSH (extra ``[cluster]``). Which it is changes no byte of any answer. A worker that is killed
costs the rows it had in hand, which are done again elsewhere; few rows are under way at a time, so an endless stream of
them is worked off in bounded memory. Arguments travel to the workers as they are, keys among them: a cluster belongs to
the party that uses it, and its connections are to be encrypted (TLS in Dask's own settings).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from lab.process.memory_protection import disable_core_dumps

Result = TypeVar("Result")
_AHEAD = 2  # rows of arguments in hand for each process: one at work, one waiting
_TRIES = 3


class ComputePoolError(Exception):
    """The workers died again and again, or the cluster is not there. The message says which."""


class WorkersKilledByTask(ComputePoolError):
    """Whoever took up the same work died, again and again."""


class ComputePool(Protocol):
    """Someone who does the work."""

    size: int
    """How many rows are worked on at once."""

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """``function(*row)`` for each row, in order; the function is one of a module, the rows plain data.

        Raises what the function raises, and ``ComputePoolError``.
        """

    def close(self) -> None:
        """Let the workers go."""


class SerialComputePool:
    """This process, alone."""

    size = 1

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """One row after another."""
        return (function(*row) for row in rows)

    def close(self) -> None:
        """There is nobody to let go."""


class ProcessComputePool:
    """Processes of this machine. They are spawned, since a fork would copy locks and secrets, and end with this one."""

    def __init__(self, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"wanted at least one process; found {processes}")
        self.size = processes
        self._pool = self._open()

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """See ``ComputePool``. When a process dies its pool is gone; a new one does again what was under way."""
        waiting = iter(rows)
        under_way: deque[tuple[tuple[Any, ...], Future[Result]]] = deque()
        failures = 0
        while True:
            try:
                while len(under_way) < _AHEAD * self.size and (row := next(waiting, None)) is not None:
                    under_way.append((row, Future()))  # kept before it is handed out, so that a broken pool loses none
                    under_way[-1] = (row, self._pool.submit(function, *row))
                if not under_way:
                    return
                result = under_way[0][1].result()
            except BrokenProcessPool:
                failures += 1
                if failures == _TRIES:
                    raise WorkersKilledByTask(f"The worker processes died {failures} times on the same work.") from None
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = self._open()
                under_way = deque((row, self._pool.submit(function, *row)) for row, _ in under_way)
                continue
            under_way.popleft()
            failures = 0
            yield result

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _open(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.size, mp_context=context, initializer=_begin, initargs=(os.getpid(),))


class DaskComputePool:
    """A Dask cluster, by its scheduler's address (``tcp://host:8786``)."""

    size: int
    threads: int
    """The most threads that one of its workers has."""

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        """Raises ``ComputePoolError`` without the extra ``[cluster]``, or if no scheduler with workers answers."""
        try:
            from distributed import Client
        except ImportError:
            raise ComputePoolError("The package distributed is missing: install shulab[cluster].") from None
        try:
            self._client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError):
            raise ComputePoolError(f"No Dask scheduler answers at {address}.") from None
        threads = self._client.nthreads().values()
        self.size, self.threads = sum(threads), max(threads, default=0)
        if not self.size:
            self._client.close()
            raise ComputePoolError(f"The Dask scheduler at {address} has no workers.")

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """See ``ComputePool``. The scheduler gives what a lost worker had in hand to another."""
        from distributed import CancelledError, KilledWorker

        waiting = iter(rows)
        under_way: deque[Any] = deque()
        try:
            while True:
                while len(under_way) < _AHEAD * self.size and (row := next(waiting, None)) is not None:
                    under_way.append(self._client.submit(function, *row, pure=False))
                if not under_way:
                    return
                result: Result = under_way[0].result()
                under_way.popleft()
                yield result
        except KilledWorker:
            raise WorkersKilledByTask("The cluster's workers died again and again on the same work.") from None
        except CancelledError:
            raise ComputePoolError("The cluster's scheduler went away.") from None

    def close(self) -> None:
        """Part from the cluster; it goes on."""
        self._client.close()


def open_compute_pool(processes: int = 0, cluster: str = "") -> ComputePool:
    """A cluster if one is named; else that many processes of this machine (0: one a core this process may use)."""
    if cluster:
        return DaskComputePool(cluster)
    count = processes or len(os.sched_getaffinity(0))
    return ProcessComputePool(count) if count > 1 else SerialComputePool()


def _begin(parent: int) -> None:
    """A worker's first steps: no dumps of its keys, Ctrl-C goes to its parent, and it does not outlive it."""
    disable_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent(parent)


def exit_with_parent(parent: int) -> None:
    """Let this process end when it loses its parent, whatever it is doing."""
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
