"""Worker processes for native code that reads bytes from banks: a crash, a hang or a flood of memory stays in there.

Each worker is an executor of its own with one process, so that a crash takes down the one job that caused it. A job
that takes too long is ended by the worker's own alarm, which native code cannot hold up.

A worker imports this module and the protocols, and nothing of the bureau's other rooms: it starts sooner, is smaller,
and holds neither a connection to the database nor an opened key.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from lab.terms.errors import InvalidInput, Unreachable
from protocols.crew import end_with

Result = TypeVar("Result")
_MIB = 1024 * 1024
_STARTS = 5
_TRIES = 3
"""How often a job is done whose worker died: twice something else may have killed it."""


class Evaluators(Protocol):
    """Whoever runs native code on bytes from banks: this machine's ``WorkerPool``, or a cluster."""

    @property
    def size(self) -> int:
        """How many jobs are done at once."""

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """See ``WorkerPool.run``."""

    def close(self) -> None:
        """Let the workers go."""


class WorkerPool:
    """``count`` worker processes with limits. Safe to use from several threads."""

    def __init__(self, count: int, *, job_seconds: int, memory_mib: int) -> None:
        self._seconds = job_seconds
        self._memory = memory_mib * _MIB
        self._count = self.size = count
        self._closed = False
        self._closing = threading.Lock()
        self._places: queue.Queue[ProcessPoolExecutor | None] = queue.Queue()
        for _ in range(count):
            self._places.put(self._start())

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run a top-level ``function`` in a worker and give its result; waits for a free worker.

        What the function raises comes through. Raises ``InvalidInput`` when the worker ran out of time or memory, or
        died again and again, which is what bytes made to do harm look like from here; the next job gets a new worker.
        """
        worker = self._take()
        try:
            for left in range(_TRIES - 1, -1, -1):
                worker = self._ready(worker)
                begun = time.monotonic()
                try:
                    return worker.submit(limited, self._seconds, function, arguments, named).result()
                except (BrokenProcessPool, MemoryError) as error:
                    worker.shutdown(wait=False, cancel_futures=True)
                    worker = self._start()
                    died = isinstance(error, BrokenProcessPool) and time.monotonic() - begun < self._seconds
                if not died or not left:
                    break
            raise failed()
        finally:
            self._places.put(worker)

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """``function(*row)`` for each row, in order, on all workers; a ``protocols.crew.Crew`` for bytes from banks."""
        with ThreadPoolExecutor(self._count) as threads:
            yield from threads.map(lambda row: self.run(function, *row), rows)

    def warm(self) -> None:
        """Start every worker now, so that the first job does not wait for it."""
        taken = [self._take() for _ in range(self._count)]
        try:
            for future in [worker.submit(_import_native) for worker in taken]:
                future.result()
        finally:
            for worker in taken:
                self._places.put(worker)

    def close(self) -> None:
        """End the workers after the jobs under way; closing again does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        for _ in range(self._count):
            worker = self._places.get()
            if worker is not None:
                worker.shutdown(wait=True, cancel_futures=True)
        self._places.put(None)

    def _take(self) -> ProcessPoolExecutor:
        worker = self._places.get()
        if worker is None:
            self._places.put(None)  # whoever waits behind learns it too
            raise Unreachable("The bureau is shutting down.", next_step="try again when it is up")
        return worker

    def _ready(self, worker: ProcessPoolExecutor) -> ProcessPoolExecutor:
        """A worker that answers: one that died while it had nothing to do, or as it started, is no job's fault."""
        for _ in range(_STARTS):
            try:
                worker.submit(_import_native).result()
            except BrokenProcessPool:
                worker.shutdown(wait=False, cancel_futures=True)
                worker = self._start()
            else:
                # Our own end for writing results would keep the pipe open after a worker that died in the middle of
                # one, and whoever reads the rest would wait for ever. The library leaves it open; workers have theirs.
                worker._result_queue._writer.close()  # type: ignore[attr-defined]
                return worker
        raise Unreachable("The bureau's workers do not start.", next_step="try again in a minute")

    def _start(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork would copy the service's threads' locks and the bureau's keys into the worker.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_confine, initargs=(self._memory, os.getpid()))


def _confine(memory: int, parent: int) -> None:
    """Limits of a worker: address space, no core files (they would hold inputs), and no life without its parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the service, which ends its workers in order
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    end_with(parent)


def failed() -> InvalidInput:
    """What a bank is told whose bytes ended their worker."""
    return InvalidInput(
        "The evaluation failed: the worker that read the message was ended.",
        next_step="make the message again; if it fails again, send smaller batches",
    )


def limited(seconds: int, function: Callable[..., Result], arguments: tuple[Any, ...], named: dict[str, Any]) -> Result:
    """``function(*arguments, **named)`` in this process, which ends if that takes longer than ``seconds``."""
    signal.alarm(seconds)
    try:
        return function(*arguments, **named)
    finally:
        signal.alarm(0)


def _import_native() -> None:
    import protocols.matching.bureau
    import protocols.scoring.bureau  # noqa: F401
