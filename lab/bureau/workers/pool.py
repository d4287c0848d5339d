"""Workers for native code that reads bytes from banks: a crash, a hang or a flood of memory stays in there, and so does
whoever took one over.

Each job has a confined process of its own (``worker``), so that a crash takes down the one job that caused it. A job
that takes too long is ended from outside. After a death the template is replaced: its next forks lie at other
addresses, and what a crash told of the last ones is of no use.

``confinement`` says what happens on a machine that lacks a protection: jobs are refused, unless the operator
chose otherwise.
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

from lab.bureau.workers.fork_client import ForkServer, WorkerLost, read_worker_result
from lab.bureau.workers.settings import WorkerRole, WorkerSettings
from lab.terms import errors
from lab.terms.errors import InvalidInput, Unreachable
from protocols.confinement import ConfinementUnavailable
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
"""How often a job is done whose worker died: twice something else may have killed it."""
_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ShulabError)),
        *(ValueError, OverflowError, UnknownEngine, SecretKeyInContext, SealRejection, MalformedFrame),
    )
    if kind is not Unreachable
}
"""What a worker may say that it raised. Not that something of the bureau is down: that would be waited for."""


class TaskExecutor(Protocol):
    """Whoever runs native code on bytes from banks: this machine's ``WorkerPool``, or a cluster."""

    @property
    def size(self) -> int:
        """How many jobs are done at once."""

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """See ``WorkerPool.run``."""

    def close(self) -> None:
        """Let the workers go."""


class WorkerPool:
    """``count`` jobs at once, each in a process with limits. Safe to use from several threads.

    ``room``: what the workers are for. Workers of ``scoring`` parse ciphertexts and must never be given a key; those
    of ``matching`` are given keys, and elements that the service has parsed. ``modules`` are loaded besides: of a
    module that is not, a worker can run nothing.
    """

    def __init__(
        self,
        count: int,
        *,
        job_seconds: int,
        memory_mib: int,
        confinement: ConfinementMode = "required",
        room: WorkerRole = "scoring",
        modules: tuple[str, ...] = (),
    ) -> None:
        required = confinement == "required"
        self._settings = WorkerSettings(room, job_seconds, memory_mib * _MIB, required, modules)
        self.size = count
        self._closed = False
        self._lock = threading.Lock()
        self._places: queue.Queue[bool] = queue.Queue()
        for _ in range(count):
            self._places.put(True)
        self._template: ForkServer | None = None  # started when there is work: most commands have none

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run a top-level ``function`` in a worker and give its result, which is plain data; waits for a free place.

        What the function raises comes through, if it is an error of ours. Raises ``InvalidInput`` when the worker ran
        out of time or memory, or died again and again, which is what bytes made to do harm look like from here, and
        ``Unreachable`` where workers cannot be confined.
        """
        job = bytes(ForkingPickler.dumps((function, arguments, named)))
        if not self._places.get():
            self._places.put(False)  # whoever waits behind learns it too
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
        """``function(*row)`` for each row, in order, on all workers; a ``protocols.compute_pool.ComputePool`` for bytes
        from
        banks.
        """
        with ThreadPoolExecutor(self.size) as threads:
            yield from threads.map(lambda row: self.run(function, *row), rows)

    def warm_up(self) -> None:
        """Have everything loaded now, so that the first job does not wait for it, and try whether one is done.

        Raises ``Unreachable``."""
        self.run(int)

    def close(self) -> None:
        """End the workers after the jobs under way; closing again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self.size):
            self._places.get()
        if self._template is not None:
            self._template.close()
        self._places.put(False)

    @property
    def fork_server_pid(self) -> int:
        """The template's process; 0 while none was started."""
        return 0 if self._template is None else self._template.pid

    def _once(self, job: bytes) -> Any:
        """The job done by a new process; raises ``WorkerLost`` if it is worth another try, else what the job raises."""
        template, process = self._begin()
        begun = time.monotonic()
        try:
            return read_worker_result(process.run(job, self._settings.seconds), _ERRORS)
        except WorkerLost as error:
            self._replace(template)
            if error.late or time.monotonic() - begun >= self._settings.seconds:
                raise worker_failure() from None
            raise
        finally:
            process.close()

    def _begin(self) -> tuple[ForkServer, Any]:
        """A process for a job: a template that died while it had nothing to do, or as it started, is no job's fault."""
        for _ in range(_STARTS):
            with self._lock:
                template = self._template = self._template or ForkServer(self._settings)
            try:
                return template, template.start_worker()
            except WorkerLost:
                self._replace(template)
        raise Unreachable("The bureau's workers do not start.", next_step="try again in a minute")

    def _replace(self, template: ForkServer) -> None:
        with self._lock:
            if self._template is not template:
                return
            self._template = ForkServer(self._settings)
        threading.Thread(target=template.retire, daemon=True).start()


def confinement_error(why: object) -> Unreachable:
    """What is said where a protection is missing that the operator did not give up."""
    return Unreachable(
        f"The bureau's workers cannot be confined on this machine: {why}.",
        next_step='see `lab doctor`; on a machine that cannot, set worker_confinement = "best" in bureau.toml',
    )


def worker_failure() -> InvalidInput:
    """What a bank is told whose bytes ended their worker."""
    return InvalidInput(
        "The evaluation failed: the worker that read the message was ended.",
        next_step="make the message again; if it fails again, send smaller batches",
    )
