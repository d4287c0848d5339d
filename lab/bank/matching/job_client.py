"""The requests of one matching job: frames to the bureau and back, waiting while it is busy, receipts checked.

A bureau evaluates its register once a key epoch. Until that is done it answers "busy", and says when to ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, TypeVar

from lab.bank.connection.client import RetryPolicy
from lab.terms.errors import Busy, ShulabError
from lab.terms.progress import SILENT, Progress

_T = TypeVar("_T")


ResponseWithReceipt: TypeAlias = tuple[bytes, dict[str, Any]]
"""A response (a frame) and its receipt as JSON."""
ReceiptHandler: TypeAlias = Callable[[bytes, bytes, dict[str, Any], bool], None]
"""Checks and stores a receipt, given request, response, receipt and whether it was a count."""


class MatchingRoutes(Protocol):
    """The routes for matching; each raises ``Busy`` while the bureau evaluates its register."""

    retry_policy: RetryPolicy

    def matching_setup(self, contract: str, job: str, *, counting: bool = False) -> bytes:
        """The manifest of the set-up (frame ``MATCH_SETUP``)."""

    def matching_shard(self, contract: str, job: str, sha256: str, first: int, count: int) -> bytes:
        """Buckets ``first`` to ``first + count - 1`` of a set-up (frame ``MATCH_SHARD``)."""

    def matching_delta(self, contract: str, job: str, sha256: str, since: str) -> bytes:
        """What changed since another set-up (frame ``MATCH_DELTA``); raises ``NotFound`` without one."""

    def match(self, contract: str, job: str, frame: bytes) -> ResponseWithReceipt:
        """The response to a matching request, a frame, and its receipt."""

    def count_matches(self, contract: str, job: str, frame: bytes) -> ResponseWithReceipt:
        """The response to a request that is only counted, a frame, and its receipt."""

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
    """None: receipts are not checked."""

    def setup(self, *, counting: bool = False) -> bytes:
        """The manifest of the set-up."""
        return self._patiently(lambda: self.routes.matching_setup(self.contract, self.job, counting=counting))

    def shard(self, sha256: str, first: int, count: int) -> bytes:
        """Buckets ``first`` to ``first + count - 1`` of a set-up."""
        return self._patiently(lambda: self.routes.matching_shard(self.contract, self.job, sha256, first, count))

    def delta(self, sha256: str, since: str) -> bytes:
        """The changes from set-up ``since`` to set-up ``sha256``; raises ``NotFound`` if the bureau has none."""
        return self._patiently(lambda: self.routes.matching_delta(self.contract, self.job, sha256, since))

    def match(self, request: bytes) -> bytes:
        """The response to a request, in the request's order."""
        return self._receipted(request, lambda: self.routes.match(self.contract, self.job, request), counting=False)

    def count(self, request: bytes) -> bytes:
        """The response to a request, in shuffled order."""
        return self._receipted(
            request, lambda: self.routes.count_matches(self.contract, self.job, request), counting=True
        )

    def is_open(self) -> bool:
        """Whether the job is open at the bureau, so that a refusal is for a ceiling, not for a stopped job."""
        try:
            return bool(self.routes.job(self.contract, self.job).get("state") == "open")
        except ShulabError:
            return False

    def _receipted(self, request: bytes, ask: Callable[[], ResponseWithReceipt], *, counting: bool) -> bytes:
        """The response, once its receipt is checked and stored, so that the bureau cannot deny it later."""
        response, receipt = self._patiently(ask)
        if self.receipt_handler is not None:
            self.receipt_handler(request, response, receipt, counting)
        return response

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except Busy as first:
            busy = first
        policy = self.routes.retry_policy
        # The bureau says how long its work will still take, so there is no need to ask less and less often.
        timer = replace(policy.back_off(policy.busy_timeout), factor=1.0).start()
        with self.progress.stage("wait", 1) as stage:
            while not timer.is_expired:
                timer.sleep(at_least=busy.retry_after)
                try:
                    response = ask()
                except Busy as again:
                    busy = again
                else:
                    stage.advance()
                    return response
        raise busy
