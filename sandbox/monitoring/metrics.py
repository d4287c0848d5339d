"""Metrics for Prometheus: counts, times and outcomes. Labels are routes, methods, statuses and states, never a contract
or a bank, so that the metrics do not show who does what."""

from __future__ import annotations

import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from lab.terms.errors import ShulabError

MEDIA_TYPE = CONTENT_TYPE_LATEST
_LATENCY_BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)


class ServiceMetrics:
    """The metrics of one service. Safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shulab_requests", "Requests answered", ("route", "method", "status"), registry=self._registry
        )
        self._request_seconds = Histogram(
            "shulab_request_seconds", "Time of a request", ("route",), buckets=_LATENCY_BUCKETS, registry=self._registry
        )
        self._bytes = Counter("shulab_body_bytes", "Bytes of bodies", ("direction",), registry=self._registry)
        self._batches = Counter("shulab_batches", "Evaluations of batches", ("state",), registry=self._registry)
        self._batch_seconds = Histogram(
            "shulab_batch_seconds", "Time of an evaluation", buckets=_LATENCY_BUCKETS, registry=self._registry
        )

        self._cosignatures = Counter(
            "shulab_cosignatures", "Answers of witnesses to tree heads", ("outcome",), registry=self._registry
        )

    def observe_request(
        self, route: str, method: str, status: int, seconds: float, *, received: int, sent: int
    ) -> None:
        """Count a request; ``route`` is a route's template, or empty if no route has the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)
        self._bytes.labels("in").inc(received)
        self._bytes.labels("out").inc(sent)

    def observe_batch(self, state: str, seconds: float) -> None:
        """Count an evaluation of a batch, or an attempt."""
        self._batches.labels(state).inc()
        self._batch_seconds.observe(seconds)

    def count_cosignature(self, outcome: str) -> None:
        """Count a request to a witness: ``cosigned``, ``refused`` or ``failed``."""
        self._cosignatures.labels(outcome).inc()

    def add_gauges(self, **figures: Callable[[], float]) -> None:
        """Add figures that are computed when somebody reads them."""
        texts = {
            "waiting": "Batches that are charged and not yet evaluated",
            "places": "Free slots for heavy work",
            "uncosigned": "Entries of the newest tree head that some witness has not cosigned",
            "arithmetic": "Processor seconds of matching's arithmetic for requests",
            "uploads": "Free bytes for bodies that are being received",
            "disk_free_bytes": "Free bytes on the disk of the bureau's folder",
            "disk_low": "1 if that is less than disk_alarm_mib, 2 if less than disk_reserve_mib, 3 if the disk is full",
            "failing": "Batches that are charged and whose last evaluation failed for want of a database or disk",
        }
        for name, figure in figures.items():
            Gauge(f"shulab_{name}", texts[name], registry=self._registry).set_function(_nan_on_error(figure))

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


def _nan_on_error(figure: Callable[[], float]) -> Callable[[], float]:
    """NaN for a figure that cannot be read, because the database is unreachable; the others are still served."""

    def read() -> float:
        try:
            return figure()
        except ShulabError:
            return math.nan

    return read
