"""Values of identifiers: from the store of what the bureau evaluated before, or else from the bureau, and then kept.

A request is kept before anything of it is sent, and made again byte for byte if it was cut off. What is missing goes in
one secret order over all requests, with canaries in each.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
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
from lab.bank.matching.key_pins import MatchingKeyPins
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.progress import Progress
from protocols.compute_pool import ComputePool
from protocols.matching.bank import (
    MIN_CANARIES,
    Blinding,
    CanaryMismatch,
    SetupManifest,
    canary_count,
    max_identifiers,
    request_sizes,
)

MAX_REQUEST_ELEMENTS = 50_000
"""Elements in one request at most, whatever the contract allows: about 2 MB each way and some seconds' work."""
_LOOKUP_BATCH = 50_000  # identifiers looked up together, to bound memory
_MAX_IN_FLIGHT = 2  # chunks in hand: one at the bureau, one before or after it


@dataclass(frozen=True)
class MatchingParameters:
    """Under what is matched: engine and key epoch of the job, most elements in a request (identifiers and canaries),
    whose statement of the matching key counts (public key, hexadecimal), whether it states the register's size, as it
    does unless the contract requires consent, and processes (0: a core each)."""

    engine: str
    epoch: int
    max_per_request: int
    bureau_key: str
    register_size_stated: bool = True
    processes: int = 0

    @property
    def request_elements(self) -> int:
        """Elements in one request."""
        return min(self.max_per_request, MAX_REQUEST_ELEMENTS)


@dataclass
class _PendingRequest:
    """A request in hand: the places of its identifiers in the portfolio (none: it was cut off), and its number in the
    store."""

    positions: NDArray[np.int64]
    codes: Sequence[str]
    number: int
    blinding: Blinding
    request: bytes
    response: Future[bytes]


class OprfClient:
    """Values of a portfolio under one contract and epoch. For one thread.

    ``crew`` gives the processes to blind and unblind with, or None.
    """

    def __init__(
        self,
        keys: BankKeys,
        counterpart: MatchingJobClient,
        ask: MatchingParameters,
        store: EvaluationStore,
        seen: MatchingKeyPins,
        setup: SetupManifest,
        crew: Callable[[], ComputePool | None],
        progress: Progress,
    ) -> None:
        self._keys, self._counterpart, self._ask, self._store = keys, counterpart, ask, store
        self._seen, self._setup, self._crew, self._progress = seen, setup, crew, progress
        self.identifiers_sent = 0
        """Identifiers sent, without canaries."""

    def evaluate(self, codes: Sequence[str]) -> Generator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Part after part of ``codes``: places in it, int64 [m], and their values, uint8 [m, 32]; each place once.

        No other process of this bank sends requests under the contract meanwhile. Raises what the routes raise,
        ``NotAllowed`` if a request has no room beside its canaries, ``NotAuthentic`` if an answer strayed.
        """
        in_hand: deque[_PendingRequest] = deque()
        with self._alone(), closing(BackgroundSender[bytes]()) as sender:
            try:
                self._finish_what_was_cut_off(sender)
                missing = [np.zeros(0, dtype=np.int64)]
                ordered = np.array(sorted(range(len(codes)), key=codes.__getitem__), dtype=np.int64)
                for start in range(0, len(ordered), _LOOKUP_BATCH):
                    part = ordered[start : start + _LOOKUP_BATCH]
                    values, held = self._store.look_up([codes[index] for index in part.tolist()])
                    missing.append(part[~held])
                    if held.any():
                        yield part[held], values[held]
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
        """``missing``, sorted by text, in one secret order and cut into requests."""
        if not len(missing):
            return
        check_canaries_fit(self._counterpart.contract, self._ask.request_elements)
        names = [codes[index] for index in missing.tolist()]
        shuffled = missing[
            self._keys.request_order(self._ask.engine, self._counterpart.contract, self._ask.epoch, names)
        ]
        start = 0
        for size in request_sizes(len(missing), self._ask.request_elements):
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
            if len(codes) + canary_count(len(codes)) > self._ask.max_per_request:
                self._store.discard_request(number)  # an amendment allows no request of this size any more
            else:
                self._receive(self._send(np.zeros(0, dtype=np.int64), codes, number, sender))

    def _send(
        self, indices: NDArray[np.int64], codes: Sequence[str], number: int | None, sender: BackgroundSender[bytes]
    ) -> _PendingRequest:
        """Blind and send; the request is in the store before."""
        blinding = self._keys.blinding(self._ask.engine, self._counterpart.contract, self._ask.epoch, codes)
        request = blinding.build_request(codes, self._crew())
        if number is None:
            number = self._store.record_request(codes)

        def ask() -> bytes:
            self._seen.check_no_canary_failure(self._setup)
            return self._counterpart.match(request)

        response = sender.send(ask)
        return _PendingRequest(indices, codes, number, blinding, request, response)

    def _receive(self, part: _PendingRequest) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The values of a request's identifiers, which are kept."""
        try:
            response = part.response.result()
        except (NotAllowed, InvalidInput):
            # Refused though the job stands: the request was never charged, for then the same bytes are let through, and
            # it would stand in the way of all others. Stopped with its contract, it may have been, and is kept.
            if self._counterpart.is_open():
                self._store.discard_request(part.number)
            raise
        fresh = unblind_response(
            part.blinding, part.request, response, len(part.codes), self._seen, self._setup, self._crew()
        )
        self._store.record_evaluations(part.number, part.codes, fresh)
        self.identifiers_sent += len(part.codes)
        return part.positions, fresh


def unblind_response(
    blinding: Blinding,
    request: bytes,
    response: bytes,
    count: int,
    seen: MatchingKeyPins,
    setup: SetupManifest,
    crew: ComputePool | None,
) -> NDArray[np.uint8]:
    """The values of an answer, uint8 [count, 32], after its canaries were checked.

    Raises ``InvalidInput`` for an answer that does not fit, ``NotAuthentic`` for one that strayed from the key.
    """
    try:
        with translate_protocol_errors("counting" if setup.for_counting else "matching"):
            return blinding.finalize(response, count, setup.signed_key.public_key, crew, counting=setup.for_counting)
    except CanaryMismatch as found:
        raise seen.record_canary_failure(setup, hashlib.sha256(request).hexdigest(), found) from None


def check_canaries_fit(contract: str, most: int) -> None:
    """Raise ``NotAllowed`` if a request of at most ``most`` elements has no room beside its canaries."""
    if not max_identifiers(most):
        raise NotAllowed(
            f"Contract {contract} allows {most} identifiers in a request (term: identifiers_per_match); "
            f"{MIN_CANARIES} canaries go with each, which show that the bureau uses one key.",
            next_step=f"ask the bureau to amend the contract: at least {MIN_CANARIES + 1}, better the "
            "portfolio's size and "
            f"{MIN_CANARIES} more",
        )
