"""Finds which of the bank's identifiers a register holds: each is asked once, and looked up on this side.

An identifier that was evaluated before is found here (``lab.bank.matching.evaluation_store``). The others are blinded,
sent, unblinded and stored, chunk by chunk, in a secret order (``lab.bank.keys``) and with canaries among them
(``lab.bank.matching.oprf_client``). A response in which a canary does not fit the bureau's published key is not used at
all (``lab.bank.matching.key_pins``). Each evaluation becomes a tag and a mark under the contract, and the marks are
looked up in the set-up, bucket by bucket. The same call resumes a match that was stopped anywhere. No identifier is
sent or charged a second time, whichever portfolio it is in.

Counting is another protocol under a contract of its own (De Cristofaro, Gasti, Tsudik 2012): the bureau shuffles its
response, so neither side learns which identifiers match, and no evaluation is stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.evaluation_store import EvaluationStore, open_evaluation_store
from lab.bank.matching.job_client import MatchingJobClient
from lab.bank.matching.key_pins import MatchingKeyPins, PinnedSetup
from lab.bank.matching.oprf_client import MAX_REQUEST_ELEMENTS, MatchingParameters, OprfClient, unblind_response
from lab.bank.matching.setup_store import StoredSetup, open_current_setup, remove_setup
from lab.bank.runs.store import Intersection
from lab.terms.errors import Conflict, InvalidInput, NotAllowed
from lab.terms.progress import SILENT, Progress
from protocols.compute_pool import ComputePool, ComputePoolError, open_compute_pool
from protocols.matching.bank import (
    MIN_CANARIES,
    MIN_COUNT_IDENTIFIERS,
    TAG_BYTES,
    SetupManifest,
    derive_counting_marks,
    derive_tags_and_marks,
    locate_marks,
    max_identifiers,
    request_sizes,
    worker_modules,
)

__all__ = [
    "MAX_REQUEST_ELEMENTS",
    "MIN_IDENTIFIERS_FOR_POOL",
    "CountResult",
    "MatchResult",
    "MatchingParameters",
    "count_matching_identifiers",
    "intersect_identifiers",
    "split_count_requests",
]

MIN_IDENTIFIERS_FOR_POOL = 20_000
"""From so many identifiers to send, several processes are worth their start: a third of a processor second in all."""
_SAMPLE = 1_000  # identifiers looked up to estimate how many must be sent


@dataclass(frozen=True)
class MatchResult:
    """A match, the set-up it was made against and its size in bytes, identifiers sent, seconds by step, and processor
    seconds of the engine's arithmetic."""

    intersection: Intersection
    setup: SetupManifest
    setup_bytes: int
    identifiers_sent: int
    seconds: dict[str, float]
    arithmetic_seconds: float


@dataclass(frozen=True)
class CountResult:
    """How many of ``asked`` identifiers match, the set-up made for this count alone, seconds by step, and processor
    seconds of the engine's arithmetic."""

    asked: int
    matched: int
    setup: SetupManifest
    setup_bytes: int
    seconds: dict[str, float]
    arithmetic_seconds: float


def intersect_identifiers(
    home: BankHome,
    keys: BankKeys,
    client: MatchingJobClient,
    parameters: MatchingParameters,
    codes: Sequence[str],
    *,
    progress: Progress = SILENT,
) -> MatchResult:
    """The intersection of ``codes`` (unique, normalised) and the register.

    Raises what the routes raise, ``InvalidInput`` for a response that does not fit, ``NotAuthentic`` for one under
    another key. The same call resumes the match.
    """
    times = [time.perf_counter()]
    tags = np.zeros((len(codes), TAG_BYTES), dtype=np.uint8)
    buckets, places = np.zeros(len(codes), dtype=np.uint32), np.zeros(len(codes), dtype=np.uint64)
    pins = MatchingKeyPins(home.matching_keys, client.contract, parameters.bureau_key, parameters.register_size_stated)
    with ExitStack() as stack:
        store = stack.enter_context(
            open_evaluation_store(home.evaluations, client.contract, parameters.epoch, parameters.engine)
        )
        pool = stack.enter_context(_open_pool(parameters, _estimate_unsent(store, codes)))
        folder = home.setups / client.contract
        stored = stack.enter_context(
            open_current_setup(
                folder, client, pins, engine=parameters.engine, epoch=parameters.epoch, progress=progress
            )
        )
        times.append(time.perf_counter())
        evaluation = OprfClient(keys, client, parameters, store, PinnedSetup(pins, stored.setup), pool, progress)
        with progress.stage("match", len(codes)) as stage, _translate_pool_errors():
            evaluated = stack.enter_context(closing(evaluation.evaluate(codes)))
            for part, values in evaluated:
                both = derive_tags_and_marks(client.contract, [codes[index] for index in part.tolist()], values)
                tags[part] = both[:, :TAG_BYTES]
                buckets[part], places[part] = locate_marks(stored.setup.geometry, both[:, TAG_BYTES:])
                stage.advance(len(part))
        times.append(time.perf_counter())
        hits = np.sort(_look_up(stored, buckets, places, progress))
    times.append(time.perf_counter())
    rate = min(stored.setup.false_positive_rate * len(codes), 1.0)
    found = Intersection(hits, tags[hits], rate)
    return MatchResult(
        found,
        stored.setup,
        stored.setup.total_bytes + stored.manifest_bytes,
        evaluation.identifiers_sent,
        _step_seconds(times),
        evaluation.arithmetic_seconds,
    )


def count_matching_identifiers(
    home: BankHome,
    folder: Path,
    keys: BankKeys,
    client: MatchingJobClient,
    parameters: MatchingParameters,
    codes: Sequence[str],
    *,
    progress: Progress = SILENT,
) -> CountResult:
    """How many of ``codes`` (unique, normalised) the register holds, and nothing more.

    The set-up is kept in ``folder`` until the count is done; its marks serve this job alone. Requests for the same
    codes are the same bytes each time, so an interrupted count is charged once. Raises ``InvalidInput`` for fewer
    identifiers than may be counted, and what the routes raise.
    """
    buckets, places = np.zeros(len(codes), dtype=np.uint32), np.zeros(len(codes), dtype=np.uint64)
    done, arithmetic, times = 0, 0.0, [time.perf_counter()]
    pins = MatchingKeyPins(home.matching_keys, client.contract, parameters.bureau_key, parameters.register_size_stated)
    with ExitStack() as stack:
        sizes = split_count_requests(len(codes), parameters.request_elements)
        stored = stack.enter_context(
            open_current_setup(
                folder, client, pins, engine=parameters.engine, epoch=parameters.epoch, counting=True, progress=progress
            )
        )
        times.append(time.perf_counter())
        pinned = PinnedSetup(pins, stored.setup)
        pool = stack.enter_context(_open_pool(parameters, len(codes)))
        ordered = sorted(codes)
        order = keys.request_order(parameters.engine, client.contract, parameters.epoch, ordered, counting=True)
        with progress.stage("count", len(codes)) as stage, _translate_pool_errors():
            for size in sizes:
                part = slice(done, done + size)
                chunk = [ordered[index] for index in order[part].tolist()]
                blinding = keys.blinding(parameters.engine, client.contract, parameters.epoch, chunk, counting=True)
                request = blinding.build_request(chunk, pool)
                pinned.check_no_canary_failure()
                response = client.count(request)
                values = unblind_response(blinding, request, response, size, pinned, pool)
                marks = derive_counting_marks(client.contract, client.job, values)
                buckets[part], places[part] = locate_marks(stored.setup.geometry, marks)
                done, arithmetic = done + size, arithmetic + blinding.arithmetic_seconds
                stage.advance(size)
        times.append(time.perf_counter())
        matched = len(_look_up(stored, buckets, places, progress))
    remove_setup(folder, stored.setup.sha256)
    times.append(time.perf_counter())
    return CountResult(
        len(codes),
        matched,
        stored.setup,
        stored.setup.total_bytes + stored.manifest_bytes,
        _step_seconds(times),
        arithmetic,
    )


def split_count_requests(total: int, most: int) -> list[int]:
    """Sizes of as few requests as hold ``total`` identifiers: each at least ``MIN_COUNT_IDENTIFIERS``, and at most
    ``most`` with its canaries.

    Raises ``InvalidInput`` for too few identifiers, and ``NotAllowed`` if the contract's ceiling allows no such sizes.
    """
    if total < MIN_COUNT_IDENTIFIERS:
        raise InvalidInput(
            f"Expected at least {MIN_COUNT_IDENTIFIERS} usable codes to count, because fewer would reveal single "
            f"enterprises; found {total}.",
            next_step="take a larger portfolio",
        )
    sizes = request_sizes(total, most) if max_identifiers(most) else []
    if not sizes or min(sizes) < MIN_COUNT_IDENTIFIERS:
        raise NotAllowed(
            f"The contract allows {most} identifiers in a request, of which at least {MIN_CANARIES} are canaries; "
            f"{total} cannot be counted in requests of at least {MIN_COUNT_IDENTIFIERS} (term: identifiers_per_match).",
            next_step="ask the bureau to amend the contract",
        )
    return sizes


def _step_seconds(times: list[float]) -> dict[str, float]:
    return {name: times[step + 1] - times[step] for step, name in enumerate(("setup", "match", "look-up"))}


@contextmanager
def _open_pool(parameters: MatchingParameters, codes: int) -> Iterator[ComputePool | None]:
    """A pool of processes, if there are enough identifiers for it; they start while this process goes on."""
    if codes < MIN_IDENTIFIERS_FOR_POOL or parameters.processes == 1:
        yield None
        return
    with closing(open_compute_pool(parameters.processes, modules=worker_modules(parameters.engine))) as pool:
        yield pool


@contextmanager
def _translate_pool_errors() -> Iterator[None]:
    """Turn the loss of the pool into an error with a next step."""
    try:
        yield
    except ComputePoolError as error:
        raise Conflict(
            f"{error} What was matched before is kept.",
            next_step="check whether memory ran out; the same command with --processes 1 works without processes",
        ) from None


def _estimate_unsent(store: EvaluationStore, codes: Sequence[str]) -> int:
    """About how many of ``codes`` were not evaluated before, from a sample."""
    sample = codes[:: max(len(codes) // _SAMPLE, 1)]
    return len(store.missing(sample)) * len(codes) // max(len(sample), 1)


def _look_up(
    stored: StoredSetup, buckets: NDArray[np.uint32], places: NDArray[np.uint64], progress: Progress
) -> NDArray[np.int64]:
    """Positions, int64 [m], of the marks that the set-up holds."""
    order = np.argsort(buckets, kind="stable")
    bounds = np.searchsorted(buckets[order], np.arange(stored.setup.geometry.buckets + 1))
    hits = [np.zeros(0, dtype=np.int64)]
    with progress.stage("look-up", stored.setup.geometry.buckets) as stage:
        for number in range(stored.setup.geometry.buckets):
            mine = order[bounds[number] : bounds[number + 1]]
            if len(mine):
                hits.append(mine[np.isin(places[mine], stored.bucket(number))])
            stage.advance()
    return np.concatenate(hits)
