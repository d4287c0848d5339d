"""The bureau's side of one matching job, as the bank meets it: frames up, frames down, and waiting while it is busy.

A register is evaluated once a key epoch, which takes a bureau a while; it says so, and when to ask again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from lab.bank.connection.client import RetryPolicy
from lab.terms.errors import Busy, ShulabError
from lab.terms.progress import SILENT, Progress

_LEAST_WAIT = 0.25
_T = TypeVar("_T")


ResponseWithReceipt: TypeAlias = tuple[bytes, dict[str, Any]]
"""An answer (a frame), and its receipt as JSON."""
ReceiptHandler: TypeAlias = Callable[[bytes, bytes, dict[str, Any], bool], None]
"""Checks and keeps a receipt: request, response, receipt, whether it was a count; raises when it does not fit."""


class MatchingRoutes(Protocol):
    """What an outlet offers for matching; each raises ``Busy`` while the bureau evaluates its register."""

    retry_policy: RetryPolicy

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        """The manifest of the set-up (frame ``MATCH_SETUP``)."""

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        """Buckets ``first`` to ``first + count - 1`` of a set-up (frame ``MATCH_SHARD``)."""

    def matching_delta(self, contract: str, job: str, sha256: str, since: str) -> bytes:
        """What changed since another set-up (frame ``MATCH_DELTA``); raises ``NotFound`` without one."""

    def match(self, contract: str, job: str, frame: bytes) -> ResponseWithReceipt:
        """The answer to a matching request, a frame, and its receipt."""

    def count_matches(self, contract: str, job: str, frame: bytes) -> ResponseWithReceipt:
        """The answer to a request that is only counted, a frame, and its receipt."""

    def job(self, contract: str, job: str) -> dict[str, Any]:
        """The job's state at the bureau."""


@dataclass(frozen=True)
class MatchingJobClient:
    """One job at one bureau."""

    routes: MatchingRoutes
    contract: str
    job: str
    progress: Progress = SILENT
    receipt_handler: ReceiptHandler | None = None
    """None: where no receipt is wanted."""

    def setup(self, *, counting: bool = False) -> bytes:
        """The manifest of the set-up."""
        return self._patiently(lambda: self.routes.matching_setup(self.contract, self.job, counting=counting))

    def shard(self, sha256: str, first: int, count: int) -> bytes:
        """Buckets of a set-up."""
        return self._patiently(lambda: self.routes.matching_shard(self.contract, self.job, sha256, first, count))

    def delta(self, sha256: str, since: str) -> bytes:
        """What leads from the set-up ``since`` to the set-up ``sha256``; raises ``NotFound`` if there is no way."""
        return self._patiently(lambda: self.routes.matching_delta(self.contract, self.job, sha256, since))

    def match(self, request: bytes) -> bytes:
        """The answer to a request, in its order."""
        return self._receipted(request, lambda: self.routes.match(self.contract, self.job, request), counting=False)

    def count(self, request: bytes) -> bytes:
        """The answer to a request, in an order that says nothing."""
        return self._receipted(
            request, lambda: self.routes.count_matches(self.contract, self.job, request), counting=True
        )

    def is_open(self) -> bool:
        """Whether the job is open: what is refused then is beyond a ceiling, not stopped."""
        try:
            return bool(self.routes.job(self.contract, self.job).get("state") == "open")
        except ShulabError:
            return False

    def _receipted(self, request: bytes, ask: Callable[[], ResponseWithReceipt], *, counting: bool) -> bytes:
        """The response, once its receipt is taken: no value is made of an answer that the bureau could deny."""
        response, receipt = self._patiently(ask)
        if self.receipt_handler is not None:
            self.receipt_handler(request, response, receipt, counting)
        return response

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except Busy as first:
            busy = first
        patience = self.routes.retry_policy
        until = time.monotonic() + patience.busy_timeout
        with self.progress.stage("wait", 1) as stage:
            while time.monotonic() < until:
                # The bureau says how long its work will take still, so there is no need to ask less and less often.
                wait = min(max(_LEAST_WAIT, busy.retry_after), patience.longest_wait)
                time.sleep(wait * (0.75 + random.random() / 2))
                try:
                    answer = ask()
                except Busy as again:
                    busy = again
                else:
                    stage.advance()
                    return answer
        raise busy
