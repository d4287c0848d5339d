"""Batches evaluated on the bureau's Dask cluster (``--cluster``), in the same confined processes as on this machine.

A worker of the cluster has one thread, and a pool of ours of one place: it passes a batch on to a process that has
confined itself and ends with the job (``workers``), so that it neither dies of a batch nor is taken over by one, and
does not get its matching keys into the memory of what parses ciphertexts. Its machine needs Landlock and seccomp like
this one. Batches, which are encrypted, and the model's terms for them, which are not, travel to the cluster, and what
its workers send back is unpickled here: it has to be the bureau's own, with TLS.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from lab.bureau.workers.pool import ConfinementMode, WorkerPool, worker_failure
from lab.terms.errors import Unreachable
from protocols.compute_pool import ComputePoolError, DaskComputePool, WorkersKilledByTask

Result = TypeVar("Result")


class ClusterPool:
    """The cluster at ``address``, greeted when the first batch comes. Safe to use from several threads."""

    def __init__(
        self, address: str, *, job_seconds: int, memory_mib: int = 8192, confinement: ConfinementMode = "required"
    ) -> None:
        self._address = address
        self._limits = (job_seconds, memory_mib, confinement)
        self._greeting = threading.Lock()
        self._crew: DaskComputePool | None = None

    @property
    def size(self) -> int:
        """How many batches it evaluates at once; raises ``Unreachable``."""
        return self._greet().size

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """As ``WorkerPool.run``; raises ``Unreachable`` while the cluster is away."""
        crew = self._greet()
        try:
            result: Result = next(crew.map(run_confined, [(self._limits, function, arguments, named)]))
        except WorkersKilledByTask:
            raise worker_failure() from None
        except ComputePoolError as error:
            self._part(crew)
            raise _away(error) from None
        return result

    def close(self) -> None:
        """Part from the cluster."""
        if self._crew is not None:
            self._part(self._crew)

    def _greet(self) -> DaskComputePool:
        with self._greeting:
            if self._crew is None:
                try:
                    crew = DaskComputePool(self._address)
                except ComputePoolError as error:
                    raise _away(error) from None
                if crew.threads > 1:
                    crew.close()
                    raise Unreachable(
                        f"Wanted workers of one thread in the Dask cluster at {self._address}; found {crew.threads}.",
                        next_step="start them with --nthreads 1, and --nworkers for the number of cores",
                    )
                self._crew = crew
            return self._crew

    def _part(self, crew: DaskComputePool) -> None:
        with self._greeting:
            if self._crew is crew:
                self._crew = None
                crew.close()


def run_confined(
    limits: tuple[int, int, ConfinementMode],
    function: Callable[..., Result],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> Result:
    """``function(*arguments, **named)`` in a confined process of the machine that this runs on."""
    return _pool(*limits).run(function, *arguments, **named)


@cache
def _pool(job_seconds: int, memory_mib: int, confinement: ConfinementMode) -> WorkerPool:
    """Of this worker of the cluster: it ends with it."""
    return WorkerPool(1, job_seconds=job_seconds, memory_mib=memory_mib, confinement=confinement)


def _away(error: ComputePoolError) -> Unreachable:
    return Unreachable(str(error), next_step="start the cluster, or serve without --cluster")
