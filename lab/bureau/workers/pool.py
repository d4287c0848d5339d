"""Workers for native code that reads bytes from banks: a crash, a hang, a flood of memory or a takeover stays inside.

Each job has a confined process of its own, so that a crash ends only the job that caused it. A job that takes too long
is ended from outside. After a crash the fork server is replaced: its next processes have other addresses, so that what
a crash revealed about the old ones is useless.

``confinement`` says what happens on a machine that lacks a protection: jobs are refused, unless the operator chose
otherwise.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, Protocol, TypeVar, cast

from lab.bureau.workers.fork_client import ForkServer, WorkerLost, WorkerProcess, read_worker_result
from lab.bureau.workers.settings import WorkerRole, WorkerSettings
from lab.process.confinement import ConfinementUnavailable
from lab.terms import errors
from lab.terms.errors import InvalidInput, Unreachable
from protocols.matching.engines import UnknownEngine
from protocols.scoring.bureau import SecretKeyInContext
from protocols.scoring.seal.binding import SealRejection
from protocols.wire.frame import MalformedFrame

Result = TypeVar("Result")
ConfinementMode = Literal["required", "best"]
"""``required``: no job without all protections. ``best``: with those that the machine has."""
_MIB = 1024 * 1024
_STARTS = 5
_TRIES = 3
"""How often a job is tried whose worker died: something else may have killed the worker."""
_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ShulabError)),
        *(ValueError, OverflowError, UnknownEngine, SecretKeyInContext, SealRejection, MalformedFrame),
    )
    if kind is not Unreachable
}
"""Errors that a worker may report. Not ``Unreachable``: the caller would wait for a service that is running."""


class TaskExecutor(Protocol):
    """Runs native code on bytes from banks: this machine's ``WorkerPool``, or a cluster."""

    @property
    def size(self) -> int:
        """How many jobs run at once."""

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """See ``WorkerPool.run``."""

    def close(self) -> None:
        """End the workers."""


class WorkerPool:
    """``count`` jobs at once, each in a process with limits. Safe to use from several threads.

    ``role``: workers for ``scoring`` parse ciphertexts and must never get a key; workers for ``matching`` get keys, and
    elements that the service has parsed. ``modules`` are loaded too: a worker runs functions of loaded modules only.
    """

    def __init__(
        self,
        count: int,
        *,
        job_seconds: int,
        memory_mib: int,
        confinement: ConfinementMode = "required",
        role: WorkerRole = "scoring",
        modules: tuple[str, ...] = (),
    ) -> None:
        required = confinement == "required"
        self._settings = WorkerSettings(role, job_seconds, memory_mib * _MIB, required, modules)
        self.size = count
        self._closed = False
        self._lock = threading.Lock()
        self._places: queue.Queue[bool] = queue.Queue()
        for _ in range(count):
            self._places.put(True)
        self._server: ForkServer | None = None  # started when there is work: most commands have none

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run a top-level ``function`` in a worker and return its result, which is plain data; waits for a free worker.

        Raises what the function raises, if it is in ``_ERRORS``; ``InvalidInput`` when the worker ran out of time or
        memory or died repeatedly, which is what harmful bytes look like from here; ``Unreachable`` if workers cannot be
        confined.
        """
        job = bytes(ForkingPickler.dumps((function, arguments, named)))
        if not self._places.get():
            self._places.put(False)  # wakes the next thread that waits
            raise Unreachable("The bureau is shutting down.", next_step="try again when it is up")
        try:
            for _ in range(_TRIES):
                with contextlib.suppress(WorkerLost):
                    return cast(Result, self._once(job))
            raise worker_failure()
        except MemoryError:
            raise worker_failure() from None
        except ConfinementUnavailable as error:
            raise confinement_error(error) from None
        finally:
            self._places.put(True)

    def map(self, function: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """``function(*row)`` for each row, in order, on all workers, as a ``protocols.compute_pool.ComputePool``."""
        with ThreadPoolExecutor(self.size) as threads:
            yield from threads.map(lambda row: self.run(function, *row), rows)

    def warm_up(self) -> None:
        """Load everything now, so that the first job does not wait, and run an empty job; raises ``Unreachable``."""
        self.run(int)

    def close(self) -> None:
        """End the workers after the jobs in progress; closing again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self.size):
            self._places.get()
        if self._server is not None:
            self._server.close()
        self._places.put(False)

    @property
    def fork_server_pid(self) -> int:
        """The fork server's process; 0 before it is started."""
        return 0 if self._server is None else self._server.pid

    def _once(self, job: bytes) -> Any:
        """Run the job in a new process; raises ``WorkerLost`` if another try makes sense, or what the job raises."""
        server, process = self._begin()
        begun = time.monotonic()
        try:
            return read_worker_result(process.run(job, self._settings.seconds), _ERRORS)
        except WorkerLost as error:
            self._replace(server)
            if error.late or time.monotonic() - begun >= self._settings.seconds:
                raise worker_failure() from None
            raise
        finally:
            process.close()

    def _begin(self) -> tuple[ForkServer, WorkerProcess]:
        """A process for a job. A fork server that died while idle or starting is replaced: no job is to blame."""
        for _ in range(_STARTS):
            with self._lock:
                server = self._server = self._server or ForkServer(self._settings)
            try:
                return server, server.start_worker()
            except WorkerLost:
                self._replace(server)
        raise Unreachable("The bureau's workers do not start.", next_step="try again in a minute")

    def _replace(self, server: ForkServer) -> None:
        with self._lock:
            if self._server is not server:
                return
            self._server = ForkServer(self._settings)
        threading.Thread(target=server.retire, daemon=True).start()


def confinement_error(why: object) -> Unreachable:
    """The error for a missing protection that the operator requires."""
    return Unreachable(
        f"The bureau's workers cannot be confined on this machine: {why}.",
        next_step='see `lab doctor`; on a machine that cannot, set worker_confinement = "best" in bureau.toml',
    )


def worker_failure() -> InvalidInput:
    """The error for a bank whose bytes ended their worker."""
    return InvalidInput(
        "The evaluation failed: the worker that read the message was ended.",
        next_step="make the message again; if it fails again, send smaller batches",
    )
