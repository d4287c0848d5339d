"""Brings one batch to the bureau and fetches its reply. Repeating all of it costs nothing.

A batch is either sent, or named by its hash to be evaluated again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from lab.bank.connection.client import RetryPolicy
from lab.terms.errors import Busy, Unreachable
from lab.transport.back_off import BackOffTimer

_PAUSE = 0.1  # between two looks; the bureau holds its response back by itself


class BatchRoutes(Protocol):
    """The routes for batches."""

    retry_policy: RetryPolicy

    def put_batch(self, contract: str, job: str, sha256: str, frame: bytes) -> None:
        """Send a batch (a frame) under its hash. The same batch is charged once."""

    def put_batch_reevaluation(self, contract: str, job: str, sha256: str) -> None:
        """Ask the bureau to evaluate a batch of an earlier job again."""

    def batch_reply(self, contract: str, job: str, sha256: str) -> tuple[bytes, dict[str, Any]] | None:
        """The reply to a batch, a frame, and its receipt; None while the bureau evaluates it."""


def submit_batch(
    routes: BatchRoutes, contract: str, job: str, batch: bytes, *, sha256: str = ""
) -> tuple[bytes, dict[str, Any]]:
    """Send a batch; returns the reply (a frame) and its receipt. Waits while the bureau is busy or evaluates.

    ``sha256``: the batch's hash, if the caller has it. Raises the error with which the bureau refuses or ends the
    evaluation; the batch is not charged then. Raises ``Unreachable`` when the bureau takes too long.
    """
    name = sha256 or hashlib.sha256(batch).hexdigest()
    return _exchange(routes, contract, job, name, lambda: routes.put_batch(contract, job, name, batch))


def request_reevaluation(routes: BatchRoutes, contract: str, job: str, sha256: str) -> tuple[bytes, dict[str, Any]]:
    """As ``submit_batch``, for a batch that an earlier job sent: only its hash is sent."""
    return _exchange(routes, contract, job, sha256, lambda: routes.put_batch_reevaluation(contract, job, sha256))


def _exchange(
    routes: BatchRoutes, contract: str, job: str, sha256: str, put: Callable[[], None]
) -> tuple[bytes, dict[str, Any]]:
    timer = routes.retry_policy.back_off(routes.retry_policy.busy_timeout).start()
    _put_when_free(put, timer)
    while (response := routes.batch_reply(contract, job, sha256)) is None:
        if timer.is_expired:
            raise Unreachable("The bureau did not evaluate a batch in time.", next_step="run this command again")
        time.sleep(_PAUSE)
    return response


def _put_when_free(put: Callable[[], None], timer: BackOffTimer) -> None:
    while True:
        try:
            return put()
        except Busy as busy:
            if timer.is_expired:
                raise
            timer.sleep(at_least=busy.retry_after)
