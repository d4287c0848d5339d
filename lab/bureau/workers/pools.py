"""A bureau's workers for bytes from banks: its two pools of confined workers, and its cluster if it has one.

Each pool has its own role, so that no process both parses a bank's ciphertexts and evaluates under a matching key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.bureau.configuration.home import BureauSettings
from lab.bureau.workers.cluster import ClusterPool
from lab.bureau.workers.pool import TaskExecutor, WorkerPool, confinement_error
from lab.bureau.workers.settings import WorkerRole
from lab.process.confinement.probe import probe_protections
from lab.terms.errors import Unreachable
from protocols.compute_pool import ComputePool, open_compute_pool

MAX_LOCAL_ELEMENTS = 8_192
"""Up to so many elements, evaluating here is faster than connecting to a cluster."""


class WorkerPools:
    """``scoring`` checks contexts; ``evaluators``, the same pool or the cluster, evaluates batches; ``matching``
    evaluates blinded identifiers. Safe to use from several threads. Close it when done."""

    def __init__(self, settings: BureauSettings) -> None:
        self._settings = settings
        self.scoring, self.matching = self._pool("scoring"), self._pool("matching")
        self.evaluators: TaskExecutor = self.scoring
        if settings.cluster:
            self.evaluators = ClusterPool(
                settings.cluster,
                job_seconds=settings.job_seconds,
                memory_mib=settings.worker_memory_mib,
                confinement=settings.worker_confinement,
            )

    def check_confinement(self) -> None:
        """Raise ``Unreachable`` if the settings require confined workers and this machine lacks a protection.

        A light process tries each protection, so that this can run before the service listens.
        """
        if self._settings.worker_confinement == "required":
            missing = [found.name for found in probe_protections() if not found.works]
            if missing:
                raise confinement_error(", ".join(missing))

    def start_workers(self) -> None:
        """Start the workers now instead of at the first request; raises ``Unreachable`` if they cannot be confined."""
        self.scoring.warm_up()
        self.matching.warm_up()

    def batches_at_once(self) -> int:
        """How many batches are evaluated at once; the local number if the cluster does not answer."""
        try:
            return self.evaluators.size
        except Unreachable:
            return self._settings.workers

    @contextmanager
    def matching_pool(self, elements: int) -> Iterator[ComputePool]:
        """The pool for blinded identifiers: the cluster if there is one and they are many, else the own workers."""
        if not self._settings.cluster or elements <= MAX_LOCAL_ELEMENTS:
            yield self.matching
            return
        pool = open_compute_pool(cluster=self._settings.cluster)
        try:
            yield pool
        finally:
            pool.close()

    def close(self) -> None:
        """End the workers after their jobs."""
        self.evaluators.close()
        self.scoring.close()
        self.matching.close()

    def _pool(self, role: WorkerRole) -> WorkerPool:
        settings = self._settings
        return WorkerPool(
            settings.workers,
            job_seconds=settings.job_seconds,
            memory_mib=settings.worker_memory_mib,
            confinement=settings.worker_confinement,
            role=role,
        )
