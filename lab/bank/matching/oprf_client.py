"""Evaluates identifiers under the bureau's key without showing them: from the store, or else by the bureau.

The identifiers of a request are stored before anything is sent; a request that was interrupted is built again byte for
byte. The identifiers that are missing are sent in one secret order over all requests, with canaries in each.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.bank.connection.background_sender import BackgroundSender
from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.keys import BankKeys
from lab.bank.matching.evaluation_store import EvaluationStore
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import PinnedSetup
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.progress import Progress
from protocols.compute_pool import ComputePool
from protocols.matching.bank import (
    MIN_CANARIES,
    Blinding,
    CanaryMismatch,
    canary_count,
    max_identifiers,
    request_sizes,
)

MAX_REQUEST_ELEMENTS = 50_000
"""The most elements in one request, whatever the contract allows: about 2 MB each way and some seconds of work."""
_LOOKUP_BATCH = 50_000  # identifiers looked up together, to bound memory
_MAX_IN_FLIGHT = 2  # requests: one at the bureau, one before or after it


@dataclass(frozen=True)
class MatchingParameters:
    """How a job matches: its engine and key epoch, and how many elements (identifiers and canaries) a request may have.

    ``bureau_key``: the public key (hexadecimal) that must have signed the statement of the matching key;
    ``register_size_stated``: whether that statement gives the register's size, as it does unless the contract requires
    consent; ``processes`` to compute with, 0 for one a core.
    """

    engine: str
    epoch: int
    max_per_request: int
    bureau_key: str
    register_size_stated: bool = True
    processes: int = 0

    @property
    def request_elements(self) -> int:
        """The most elements in one request."""
        return min(self.max_per_request, MAX_REQUEST_ELEMENTS)


@dataclass
class _PendingRequest:
    """A request on its way: the positions of its identifiers in the portfolio, int64 [m] (empty: it is sent again after
    an interruption), and its number in the store."""

    positions: NDArray[np.int64]
    codes: Sequence[str]
    number: int
    blinding: Blinding
    request: bytes
    response: Future[bytes]


class OprfClient:
    """Evaluates a portfolio under one contract and epoch, against one set-up. For one thread.

    ``pool``: the processes to blind and unblind with; None: this one.
    """

    def __init__(
        self,
        keys: BankKeys,
        client: MatchingJobClient,
        parameters: MatchingParameters,
        store: EvaluationStore,
        pinned: PinnedSetup,
        pool: ComputePool | None,
        progress: Progress,
    ) -> None:
        self._keys, self._client, self._parameters, self._store = keys, client, parameters, store
        self._pinned, self._pool, self._progress = pinned, pool, progress
        self.identifiers_sent = 0
        """Identifiers sent, without canaries."""
        self.arithmetic_seconds = 0.0
        """Processor seconds of the engine's arithmetic for them, of all processes."""

    def evaluate(self, codes: Sequence[str]) -> Generator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yields ``codes`` part by part: positions, int64 [m], and evaluations, uint8 [m, 32]; each position once.

        No other process of this bank sends requests under the contract meanwhile. Raises what the routes raise,
        ``NotAllowed`` if canaries fill a request, ``NotAuthentic`` for a response under another key.
        """
        in_hand: deque[_PendingRequest] = deque()
        with self._alone(), closing(BackgroundSender[bytes]()) as sender:
            try:
                self._finish_what_was_cut_off(sender)
                missing = [np.zeros(0, dtype=np.int64)]
                ordered = np.array(sorted(range(len(codes)), key=codes.__getitem__), dtype=np.int64)
                for start in range(0, len(ordered), _LOOKUP_BATCH):
                    part = ordered[start : start + _LOOKUP_BATCH]
                    values, known = self._store.look_up([codes[index] for index in part.tolist()])
                    missing.append(part[~known])
                    if known.any():
                        yield part[known], values[known]
                for part in self._parts(codes, np.concatenate(missing)):
                    in_hand.append(self._send(part, [codes[index] for index in part.tolist()], None, sender))
                    if len(in_hand) == _MAX_IN_FLIGHT:
                        yield self._receive(in_hand.popleft())
                while in_hand:
                    yield self._receive(in_hand.popleft())
            finally:
                for left in in_hand:
                    if left.response.cancel():
                        self._store.discard_request(left.number)  # it has not left

    def _parts(self, codes: Sequence[str], missing: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The positions ``missing``, which are sorted by code, in one secret order and cut into requests."""
        if not len(missing):
            return
        check_canaries_fit(self._client.contract, self._parameters.request_elements)
        names = [codes[index] for index in missing.tolist()]
        shuffled = missing[
            self._keys.request_order(self._parameters.engine, self._client.contract, self._parameters.epoch, names)
        ]
        start = 0
        for size in request_sizes(len(missing), self._parameters.request_elements):
            yield shuffled[start : start + size]
            start += size

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as waiting:

            def say() -> None:
                waiting.enter_context(self._progress.stage("turn", 1))

            with self._store.exclusive(say):
                waiting.close()
                yield

    def _finish_what_was_cut_off(self, sender: BackgroundSender[bytes]) -> None:
        for number, codes in self._store.pending_requests():
            if len(codes) + canary_count(len(codes)) > self._parameters.max_per_request:
                self._store.discard_request(number)  # an amendment no longer allows a request of this size
            else:
                self._receive(self._send(np.zeros(0, dtype=np.int64), codes, number, sender))

    def _send(
        self, indices: NDArray[np.int64], codes: Sequence[str], number: int | None, sender: BackgroundSender[bytes]
    ) -> _PendingRequest:
        """Blind and send a request; its identifiers are stored before."""
        blinding = self._keys.blinding(self._parameters.engine, self._client.contract, self._parameters.epoch, codes)
        request = blinding.build_request(codes, self._pool)
        if number is None:
            number = self._store.record_request(codes)

        def ask() -> bytes:
            self._pinned.check_no_canary_failure()
            return self._client.match(request)

        response = sender.send(ask)
        return _PendingRequest(indices, codes, number, blinding, request, response)

    def _receive(self, part: _PendingRequest) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Positions and evaluations of a request's identifiers, once they are stored."""
        try:
            response = part.response.result()
        except (NotAllowed, InvalidInput):
            # A job that is still open refused it, so it was never charged (a charged request is answered again) and
            # would only block the others. If the job was stopped with its contract, it may be charged: it is kept.
            if self._client.is_open():
                self._store.discard_request(part.number)
            raise
        fresh = unblind_response(part.blinding, part.request, response, len(part.codes), self._pinned, self._pool)
        self._store.record_evaluations(part.number, part.codes, fresh)
        self.identifiers_sent += len(part.codes)
        self.arithmetic_seconds += part.blinding.arithmetic_seconds
        return part.positions, fresh


def unblind_response(
    blinding: Blinding,
    request: bytes,
    response: bytes,
    count: int,
    pinned: PinnedSetup,
    pool: ComputePool | None,
) -> NDArray[np.uint8]:
    """The evaluations in a response, uint8 [count, 32], after its canaries were checked.

    Raises ``InvalidInput`` for a response that does not fit, ``NotAuthentic`` for one under another key.
    """
    try:
        counting = pinned.setup.for_counting
        with translate_protocol_errors("counting" if counting else "matching"):
            return blinding.finalize(response, count, pinned.setup.signed_key.public_key, pool, counting=counting)
    except CanaryMismatch as found:
        raise pinned.record_canary_failure(hashlib.sha256(request).hexdigest(), found) from None


def check_canaries_fit(contract: str, most: int) -> None:
    """Raise ``NotAllowed`` if canaries fill a request of at most ``most`` elements."""
    if not max_identifiers(most):
        raise NotAllowed(
            f"Contract {contract} allows {most} identifiers in a request (term: identifiers_per_match). Each request "
            f"needs {MIN_CANARIES} more as canaries, which show that the bureau uses one key.",
            next_step=f"ask the bureau to amend the contract: at least {MIN_CANARIES + 1}, better the portfolio's size "
            f"and {MIN_CANARIES} more",
        )
