"""Work over several cores or several machines: one function over many rows of arguments, with results in order.

``ProcessComputePool`` uses processes of this machine; ``DaskComputePool`` uses a Dask cluster that runs on Kubernetes,
YARN or over SSH (extra ``[cluster]``). The choice changes no byte of any result. If a worker is killed, its rows are
computed again elsewhere. Few rows are in progress at a time, so an endless stream of rows takes bounded memory.
Arguments travel to the workers as they are, keys among them: a cluster must belong to the party that uses it, and its
connections must be encrypted (TLS in Dask's own settings).
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
_AHEAD = 2  # rows of arguments for each process: one in progress, one waiting
_TRIES = 3


class ComputePoolError(Exception):
    """The workers died repeatedly, or the cluster does not answer. The message says which."""


class WorkersKilledByTask(ComputePoolError):
    """Every worker that took the same task died."""


class ComputePool(Protocol):
    """Workers that apply a function to rows of arguments."""

    size: int
    """How many rows are in progress at once."""

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """``function(*row)`` for each row, in order. The function is a module's own, and rows are plain data.

        Raises what the function raises, and ``ComputePoolError``.
        """

    def close(self) -> None:
        """Release the workers."""


class SerialComputePool:
    """This process alone."""

    size = 1

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """One row after another."""
        return (function(*row) for row in rows)

    def close(self) -> None:
        """Nothing to release."""


class ProcessComputePool:
    """Processes of this machine, which end with this one. They are spawned: a fork would copy locks and secrets."""

    def __init__(self, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"wanted at least one process; found {processes}")
        self.size = processes
        self._pool = self._open()

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """See ``ComputePool``. If a process dies, a new pool computes again what was in progress."""
        waiting = iter(rows)
        in_progress: deque[tuple[tuple[Any, ...], Future[Result]]] = deque()
        failures = 0
        while True:
            try:
                while len(in_progress) < _AHEAD * self.size and (row := next(waiting, None)) is not None:
                    in_progress.append((row, Future()))  # kept before it is submitted, so a broken pool loses none
                    in_progress[-1] = (row, self._pool.submit(function, *row))
                if not in_progress:
                    return
                result = in_progress[0][1].result()
            except BrokenProcessPool:
                failures += 1
                if failures == _TRIES:
                    raise WorkersKilledByTask(f"The worker processes died {failures} times on the same work.") from None
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = self._open()
                in_progress = deque((row, self._pool.submit(function, *row)) for row, _ in in_progress)
                continue
            in_progress.popleft()
            failures = 0
            yield result

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _open(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.size, mp_context=context, initializer=_start_worker, initargs=(os.getpid(),))


class DaskComputePool:
    """A Dask cluster, by its scheduler's address (``tcp://host:8786``)."""

    size: int
    threads: int
    """The number of threads of the worker with the most."""

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        """Raises ``ComputePoolError`` without the extra ``[cluster]``, or if no scheduler with workers answers."""
        try:
            from distributed import Client
        except ImportError:
            raise ComputePoolError("The package distributed is missing: install the extra cluster.") from None
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
        """See ``ComputePool``. The scheduler gives the rows of a lost worker to another."""
        from distributed import CancelledError, KilledWorker

        waiting = iter(rows)
        in_progress: deque[Any] = deque()
        try:
            while True:
                while len(in_progress) < _AHEAD * self.size and (row := next(waiting, None)) is not None:
                    in_progress.append(self._client.submit(function, *row, pure=False))
                if not in_progress:
                    return
                result: Result = in_progress[0].result()
                in_progress.popleft()
                yield result
        except KilledWorker:
            raise WorkersKilledByTask("The cluster's workers died repeatedly on the same work.") from None
        except CancelledError:
            raise ComputePoolError("The cluster's scheduler went away.") from None

    def close(self) -> None:
        """Disconnect; the cluster keeps running."""
        self._client.close()


def open_compute_pool(processes: int = 0, cluster: str = "") -> ComputePool:
    """The cluster, if one is named; else ``processes`` of this machine (0: one for each core this process may use)."""
    if cluster:
        return DaskComputePool(cluster)
    count = processes or len(os.sched_getaffinity(0))
    return ProcessComputePool(count) if count > 1 else SerialComputePool()


def _start_worker(parent: int) -> None:
    """A worker's first steps: no dumps of its keys, Ctrl-C is left to the parent, and it ends with the parent."""
    disable_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent(parent)


def exit_with_parent(parent: int) -> None:
    """End this process when its parent ends, whatever it is doing."""
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
