"""Batches evaluated on the bureau's Dask cluster (``--cluster``), in the same confined processes as on this machine.

A worker of the cluster has one thread and a ``WorkerPool`` of one process: it passes each batch on to a confined
process that ends with the job. So a batch can neither crash nor take over the worker, and matching keys never enter the
memory of a process that parses ciphertexts. Each machine needs Landlock and seccomp, like this one. Batches (encrypted)
and the model's weights for them (not encrypted) travel to the cluster, and this process unpickles what its workers send
back: the cluster must be the bureau's own, with TLS.
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
    """The cluster at ``address``, connected at the first batch. Safe to use from several threads."""

    def __init__(
        self, address: str, *, job_seconds: int, memory_mib: int = 8192, confinement: ConfinementMode = "required"
    ) -> None:
        self._address = address
        self._limits = (job_seconds, memory_mib, confinement)
        self._connecting = threading.Lock()
        self._pool: DaskComputePool | None = None

    @property
    def size(self) -> int:
        """How many batches it evaluates at once; raises ``Unreachable``."""
        return self._connect().size

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """As ``WorkerPool.run``; raises ``Unreachable`` while the cluster does not answer."""
        pool = self._connect()
        try:
            result: Result = next(pool.map(run_confined, [(self._limits, function, arguments, named)]))
        except WorkersKilledByTask:
            raise worker_failure() from None
        except ComputePoolError as error:
            self._disconnect(pool)
            raise _unreachable(error) from None
        return result

    def close(self) -> None:
        """Disconnect from the cluster."""
        if self._pool is not None:
            self._disconnect(self._pool)

    def _connect(self) -> DaskComputePool:
        with self._connecting:
            if self._pool is None:
                try:
                    pool = DaskComputePool(self._address)
                except ComputePoolError as error:
                    raise _unreachable(error) from None
                if pool.threads > 1:
                    pool.close()
                    raise Unreachable(
                        f"Expected workers of one thread in the Dask cluster at {self._address}; found {pool.threads}.",
                        next_step="start them with --nthreads 1, and --nworkers for the number of cores",
                    )
                self._pool = pool
            return self._pool

    def _disconnect(self, pool: DaskComputePool) -> None:
        with self._connecting:
            if self._pool is pool:
                self._pool = None
                pool.close()


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
    """The pool of this worker of the cluster; it ends with the worker."""
    return WorkerPool(1, job_seconds=job_seconds, memory_mib=memory_mib, confinement=confinement)


def _unreachable(error: ComputePoolError) -> Unreachable:
    return Unreachable(str(error), next_step="start the cluster, or serve without --cluster")
