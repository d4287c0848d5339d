"""Figures for Prometheus: how much, how long, with what outcome. Labels are routes, methods, statuses and states;
neither a contract nor a bank, so that who may read the figures learns nothing of who does what."""

from __future__ import annotations

import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from lab.terms.errors import ShulabError

MEDIA_TYPE = CONTENT_TYPE_LATEST
_LATENCY_BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)


class ServiceMetrics:
    """The figures of one service. Safe to use from several threads."""

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
        """A request was answered; ``route`` is a template, or empty for a path that is none."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)
        self._bytes.labels("in").inc(received)
        self._bytes.labels("out").inc(sent)

    def observe_batch(self, state: str, seconds: float) -> None:
        """A batch was evaluated, or tried."""
        self._batches.labels(state).inc()
        self._batch_seconds.observe(seconds)

    def count_cosignature(self, outcome: str) -> None:
        """A witness was asked to cosign a head: ``cosigned``, ``refused`` or ``failed``."""
        self._cosignatures.labels(outcome).inc()

    def add_gauges(self, **figures: Callable[[], float]) -> None:
        """Figures that are asked for when somebody reads."""
        texts = {
            "waiting": "Batches charged and not yet answered",
            "places": "Free places for heavy work",
            "uncosigned": "Entries of the newest tree head that some witness has not cosigned",
            "uploads": "Free bytes for bodies on their way in",
        }
        for name, figure in figures.items():
            Gauge(f"shulab_{name}", texts[name], registry=self._registry).set_function(_nan_on_error(figure))

    def render(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


def _nan_on_error(figure: Callable[[], float]) -> Callable[[], float]:
    """A figure that can't be had, because the database is away, must not keep the others back."""

    def ask() -> float:
        try:
            return figure()
        except ShulabError:
            return math.nan

    return ask
