"""One batch to the bureau and its reply back: sent, or named to be evaluated again, then waited for and fetched. Doing
all of it again costs nothing."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from typing import Any, Protocol

from lab.bank.connection.client import RetryPolicy
from lab.terms.errors import Busy, Unreachable

_FIRST_WAIT = 0.25
_PAUSE = 0.1  # between two looks; the bureau holds its answer back by itself


class BatchRoutes(Protocol):
    """What an outlet offers for batches."""

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
    """The reply frame to a batch, and its receipt; waits while the bureau has no room, and while it evaluates.

    ``sha256``: the batch's digest, from a caller who has it. Raises what the bureau refuses with, and what kept the
    batch from being answered; it was not charged then.
    """
    name = sha256 or hashlib.sha256(batch).hexdigest()
    return _exchange(routes, contract, job, name, lambda: routes.put_batch(contract, job, name, batch))


def request_reevaluation(routes: BatchRoutes, contract: str, job: str, sha256: str) -> tuple[bytes, dict[str, Any]]:
    """As ``submit_batch``, for a batch that an earlier job sent: its hash alone goes out."""
    return _exchange(routes, contract, job, sha256, lambda: routes.put_batch_reevaluation(contract, job, sha256))


def _exchange(
    routes: BatchRoutes, contract: str, job: str, sha256: str, put: Callable[[], None]
) -> tuple[bytes, dict[str, Any]]:
    until = time.monotonic() + routes.retry_policy.busy_timeout
    _put_when_free(routes, put, until)
    while (answer := routes.batch_reply(contract, job, sha256)) is None:
        if time.monotonic() > until:
            raise Unreachable("The bureau has not evaluated a batch in time.", next_step="run this command again")
        time.sleep(_PAUSE)
    return answer


def _put_when_free(routes: BatchRoutes, put: Callable[[], None], until: float) -> None:
    wait = _FIRST_WAIT
    while True:
        try:
            return put()
        except Busy as busy:
            if time.monotonic() > until:
                raise
            time.sleep(
                min(max(wait, busy.retry_after), routes.retry_policy.longest_wait) * (0.75 + random.random() / 2)
            )
            wait *= 2
