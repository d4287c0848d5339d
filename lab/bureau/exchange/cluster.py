"""Batches evaluated on the bureau's Dask cluster (``--cluster``), with the limits of ``workers`` as far as they go.

A worker of the cluster has one thread, so that the alarm that ends a job ends nothing else. A batch that kills the
worker it is evaluated in is tried on others, as often as the scheduler allows (``allowed-failures``), and is then
refused. Batches, which are encrypted, and the model's terms for them, which are not, travel to the cluster: it has to
be the bureau's own, with TLS. Memory is limited by the cluster's own ``--memory-limit``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from lab.bureau.workers import failed, limited
from lab.terms.errors import Unreachable
from protocols.crew import ClusterCrew, CrewLost, WorkKills

Result = TypeVar("Result")


class ClusterPool:
    """The cluster at ``address``, greeted when the first batch comes. Safe to use from several threads."""

    def __init__(self, address: str, *, job_seconds: int) -> None:
        self._address, self._seconds = address, job_seconds
        self._greeting = threading.Lock()
        self._crew: ClusterCrew | None = None

    @property
    def size(self) -> int:
        """How many batches it evaluates at once; raises ``Unreachable``."""
        return self._greet().size

    def run(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """As ``WorkerPool.run``; raises ``Unreachable`` while the cluster is away."""
        crew = self._greet()
        try:
            result: Result = next(crew.map(limited, [(self._seconds, function, arguments, named)]))
        except WorkKills:
            raise failed() from None
        except CrewLost as error:
            self._part(crew)
            raise _away(error) from None
        return result

    def close(self) -> None:
        """Part from the cluster."""
        if self._crew is not None:
            self._part(self._crew)

    def _greet(self) -> ClusterCrew:
        with self._greeting:
            if self._crew is None:
                try:
                    crew = ClusterCrew(self._address)
                except CrewLost as error:
                    raise _away(error) from None
                if crew.threads > 1:
                    crew.close()
                    raise Unreachable(
                        f"Wanted workers of one thread in the Dask cluster at {self._address}; found {crew.threads}.",
                        next_step="start them with --nthreads 1, and --nworkers for the number of cores",
                    )
                self._crew = crew
            return self._crew

    def _part(self, crew: ClusterCrew) -> None:
        with self._greeting:
            if self._crew is crew:
                self._crew = None
                crew.close()


def _away(error: CrewLost) -> Unreachable:
    return Unreachable(str(error), next_step="start the cluster, or serve without --cluster")
