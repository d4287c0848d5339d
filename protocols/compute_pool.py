"""Work over several cores or several machines: one function over many rows of arguments, with results in order.

``ProcessComputePool`` uses processes of this machine; ``DaskComputePool`` uses a Dask cluster that runs on Kubernetes,
YARN or over SSH (extra ``[cluster]``). The choice changes no byte of any result. If a worker is killed, its rows are
computed again elsewhere. Few rows are in progress at a time, so an endless stream of rows takes bounded memory.
Arguments travel to the workers as they are, keys among them: a cluster must belong to the party that uses it, and its
connections must be encrypted (TLS in Dask's own settings).
"""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar, cast

from protocols.compute_worker import WorkerGroup

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
    """Processes of this machine, which end with this one (``protocols.compute_worker``). None is a fork of this
    process, which would copy locks and secrets.

    ``modules`` are loaded once, for all of them. A thread for each process sends it tasks.
    """

    def __init__(self, processes: int, modules: Sequence[str] = ()) -> None:
        if processes < 1:
            raise ValueError(f"wanted at least one process; found {processes}")
        self.size, self._modules = processes, tuple(modules)
        self._groups = [WorkerGroup(processes, self._modules)]
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        for connection in self._groups[0].connections:
            self._free.put(connection)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="compute-pool")

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """See ``ComputePool``. If a process dies, a new one computes its row again."""
        waiting = iter(rows)
        in_progress: deque[Future[Result]] = deque()
        while True:
            while len(in_progress) < _AHEAD * self.size and (row := next(waiting, None)) is not None:
                in_progress.append(self._threads.submit(self._run, function, row))
            if not in_progress:
                return
            yield in_progress.popleft().result()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for group in self._groups:
            group.close()

    def _run(self, function: Callable[..., Result], row: tuple[Any, ...]) -> Result:
        """``function(*row)`` in a free process; raises ``WorkersKilledByTask``, and what the function raises."""
        connection = self._free.get()
        try:
            for _ in range(_TRIES):
                try:
                    connection.send((function, row))
                    done, result = connection.recv()
                except (EOFError, OSError):
                    connection = self._replace(connection)
                    continue
                if not done:
                    raise result
                return cast(Result, result)
            raise WorkersKilledByTask(f"The worker processes died {_TRIES} times on the same work.")
        finally:
            self._free.put(connection)

    def _replace(self, lost: Connection) -> Connection:
        """A new process in place of one that died."""
        lost.close()
        group = WorkerGroup(1, self._modules)
        self._groups.append(group)
        return group.connections[0]


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


def open_compute_pool(processes: int = 0, cluster: str = "", modules: Sequence[str] = ()) -> ComputePool:
    """The cluster, if one is named; else ``processes`` of this machine (0: one for each core this process may use).

    Processes of this machine load ``modules`` when they start, instead of at their first tasks.
    """
    if cluster:
        return DaskComputePool(cluster)
    count = processes or len(os.sched_getaffinity(0))
    return ProcessComputePool(count, modules) if count > 1 else SerialComputePool()
