"""Which of the bank's identifiers a register holds, at any size: asked once each, looked up on this side.

Identifiers go in order of their text, a chunk at a time: those that this bank has no value of are blinded, sent and
unblinded, and their values kept (``lab.bank.evaluations``); the next chunk is blinded while the bureau has one. The
value of each becomes its tag and its mark under the contract, and the marks are looked up in the set-up, bucket by
bucket. Stopped anywhere, the same call goes on where it was, and nothing is sent or charged a second time, whichever
portfolio it is in.

Counting is another protocol under a contract of its own (De Cristofaro, Gasti, Tsudik 2012): the bureau's answers come
in an order that says nothing, so neither side learns which identifiers match, and no value of one is kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.bank.answers import strict
from lab.bank.counterpart import Counterpart
from lab.bank.evaluations import Evaluations, open_evaluations
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.bank.run import Match
from lab.bank.sending import Sender
from lab.bank.setups import HeldSetup, bring_setup, remove_setup
from lab.terms.errors import Conflict, InvalidInput, Refused
from lab.terms.progress import SILENT, Progress
from protocols.crew import Crew, CrewLost, open_crew
from protocols.matching.bank import (
    MIN_COUNTED,
    TAG_BYTES,
    VALUE_BYTES,
    Blinding,
    Setup,
    count_marks,
    digests,
    place,
)

CHUNK = 50_000
"""Identifiers in one request at most, whatever the contract allows: about 2 MB each way and some seconds' work."""
CREW_FROM = 20_000
"""Identifiers to be sent from which on several processes are worth the second that they take to start."""
_SAMPLE = 1_000  # identifiers looked up to learn about how many are to be sent
_AHEAD = 2  # chunks in hand: one at the bureau, one before or after it


@dataclass(frozen=True)
class Ask:
    """Under what is matched: engine and key epoch of the job, most identifiers in a request, processes (0: a core
    each)."""

    engine: str
    epoch: int
    per_request: int
    processes: int = 0

    @property
    def chunk(self) -> int:
        """Identifiers in one request."""
        return min(self.per_request, CHUNK)


@dataclass(frozen=True)
class Found:
    """A match, the set-up it was made against, bytes of that set-up with its manifest, identifiers sent for it, and
    seconds by step."""

    match: Match
    setup: Setup
    setup_bytes: int
    sent: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class Counted:
    """How many of ``asked`` identifiers match, by a set-up for this count alone, and seconds by step."""

    asked: int
    matched: int
    setup: Setup
    setup_bytes: int
    seconds: dict[str, float]


def match(
    home: BankHome,
    keys: BankKeys,
    counterpart: Counterpart,
    ask: Ask,
    codes: Sequence[str],
    *,
    progress: Progress = SILENT,
) -> Found:
    """The intersection of ``codes`` (unique, normalised) and the register.

    Raises what the routes raise, ``InvalidInput`` for an answer that does not fit; the same call goes on then.
    """
    times = [time.perf_counter()]
    order = np.array(sorted(range(len(codes)), key=codes.__getitem__), dtype=np.int64)
    tags = np.zeros((len(codes), TAG_BYTES), dtype=np.uint8)
    buckets, places = np.zeros(len(codes), dtype=np.uint32), np.zeros(len(codes), dtype=np.uint64)
    with ExitStack() as stack:
        store = stack.enter_context(open_evaluations(home.evaluations, counterpart.contract, ask.epoch, ask.engine))
        crew = stack.enter_context(closing(_Crew(ask, _about_to_be_sent(store, codes))))
        folder = home.setups / counterpart.contract
        held = stack.enter_context(
            bring_setup(folder, counterpart, engine=ask.engine, epoch=ask.epoch, progress=progress)
        )
        times.append(time.perf_counter())
        evaluation = _Evaluation(keys, counterpart, ask, store, crew, progress)
        parts = [slice(start, start + ask.chunk) for start in range(0, len(codes), ask.chunk)]
        with progress.stage("match", len(codes)) as stage, _told():
            chunks = ([codes[index] for index in order[part].tolist()] for part in parts)
            evaluated = stack.enter_context(closing(evaluation.values(chunks)))
            for part, (chunk, values) in zip(parts, evaluated, strict=True):
                both = digests(counterpart.contract, chunk, values)
                tags[part] = both[:, :TAG_BYTES]
                buckets[part], places[part] = place(held.setup.geometry, both[:, TAG_BYTES:])
                stage.advance(len(chunk))
        times.append(time.perf_counter())
        hits = _look_up(held, buckets, places, progress)
    times.append(time.perf_counter())
    indices = order[hits]
    ascending = np.argsort(indices)
    rate = min(held.setup.false_positive_rate * len(codes), 1.0)
    found = Match(indices[ascending], tags[hits][ascending], rate)
    return Found(found, held.setup, held.setup.bytes + held.overhead, evaluation.sent, _between(times))


def count(
    folder: Path,
    keys: BankKeys,
    counterpart: Counterpart,
    ask: Ask,
    codes: Sequence[str],
    *,
    progress: Progress = SILENT,
) -> Counted:
    """How many of ``codes`` (unique, normalised) the register holds, and nothing more.

    The set-up is kept in ``folder`` until the count is done: its marks are of this job alone. Requests for the same
    codes are the same bytes each time, so an interrupted count is charged once. Raises ``InvalidInput`` for fewer
    identifiers than may be counted, and what the routes raise.
    """
    buckets, places = np.zeros(len(codes), dtype=np.uint32), np.zeros(len(codes), dtype=np.uint64)
    ordered, done, times = sorted(codes), 0, [time.perf_counter()]
    with ExitStack() as stack:
        sizes = even_parts(len(codes), ask.chunk)
        held = stack.enter_context(
            bring_setup(folder, counterpart, engine=ask.engine, epoch=ask.epoch, counting=True, progress=progress)
        )
        times.append(time.perf_counter())
        crew = stack.enter_context(closing(_Crew(ask, len(codes))))
        with progress.stage("count", len(codes)) as stage, _told():
            for size in sizes:
                part, chunk = slice(done, done + size), ordered[done : done + size]
                blinding = keys.blinding(ask.engine, counterpart.contract, ask.epoch, chunk, counting=True)
                response = counterpart.count(blinding.request(chunk, crew()))
                with strict("counting"):
                    values = blinding.finish(response, size, crew())
                marks = count_marks(counterpart.contract, counterpart.job, values)
                buckets[part], places[part] = place(held.setup.geometry, marks)
                done += size
                stage.advance(size)
        times.append(time.perf_counter())
        matched = len(_look_up(held, buckets, places, progress))
    remove_setup(folder, held.setup.sha256)
    times.append(time.perf_counter())
    return Counted(len(codes), matched, held.setup, held.setup.bytes + held.overhead, _between(times))


def even_parts(total: int, most: int) -> list[int]:
    """Sizes of as few parts as hold ``total``, none above ``most``, none below ``MIN_COUNTED``.

    Raises ``InvalidInput`` for too few identifiers and ``Refused`` if the contract's ceiling leaves no such parts.
    """
    if total < MIN_COUNTED:
        raise InvalidInput(
            f"Wanted at least {MIN_COUNTED} usable codes to count: fewer would tell of single enterprises; "
            f"found {total}.",
            next_step="take a larger portfolio",
        )
    parts = -(-total // most)
    if total // parts < MIN_COUNTED:
        raise Refused(
            f"The contract allows {most} identifiers in a request; {total} cannot be counted in parts of at least "
            f"{MIN_COUNTED} (term: identifiers_per_match).",
            next_step="ask the bureau to amend the contract",
        )
    return [total // parts + (number < total % parts) for number in range(parts)]


def _between(times: list[float]) -> dict[str, float]:
    return {name: times[step + 1] - times[step] for step, name in enumerate(("setup", "match", "look-up"))}


@dataclass
class _Part:
    """A chunk in hand: which of it was held, and the request for the rest, with its number in the store."""

    chunk: Sequence[str]
    values: NDArray[np.uint8]
    held: NDArray[np.bool_]
    missing: list[str]
    number: int
    blinding: Blinding | None
    response: Future[bytes] | None


class _Evaluation:
    """Values of chunks of identifiers: from the store, or else from the bureau, and then in the store."""

    def __init__(
        self,
        keys: BankKeys,
        counterpart: Counterpart,
        ask: Ask,
        store: Evaluations,
        crew: _Crew,
        progress: Progress,
    ) -> None:
        self._keys, self._counterpart, self._ask = keys, counterpart, ask
        self._store, self._crew, self._progress = store, crew, progress
        self.sent = 0

    def values(self, chunks: Iterable[Sequence[str]]) -> Generator[tuple[Sequence[str], NDArray[np.uint8]]]:
        """Chunk after chunk, each with its values, uint8 [n, 32]; chunks share no identifier.

        No other process of this bank sends requests under the contract meanwhile.
        """
        in_hand: deque[_Part] = deque()
        with self._alone(), closing(Sender[bytes]()) as sender:
            try:
                self._finish_what_was_cut_off(sender)
                for chunk in chunks:
                    in_hand.append(self._begin(chunk, sender))
                    if len(in_hand) == _AHEAD:
                        yield self._receive(in_hand.popleft())
                while in_hand:
                    yield self._receive(in_hand.popleft())
            finally:
                for part in in_hand:
                    if part.response is not None and part.response.cancel():
                        self._store.drop(part.number)  # it has not left

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as waiting:

            def say() -> None:
                waiting.enter_context(self._progress.stage("turn", 1))

            with self._store.alone(say):
                waiting.close()
                yield

    def _finish_what_was_cut_off(self, sender: Sender[bytes]) -> None:
        for number, codes in self._store.under_way():
            if len(codes) > self._ask.per_request:
                self._store.drop(number)  # an amendment allows no request of this size any more
            else:
                self._receive(self._send(codes, *self._store.look_up(codes), codes, number, sender))

    def _begin(self, chunk: Sequence[str], sender: Sender[bytes]) -> _Part:
        values, held = self._store.look_up(chunk)
        missing = [code for code, known in zip(chunk, held.tolist(), strict=True) if not known]
        if not missing:
            return _Part(chunk, values, held, missing, 0, None, None)
        return self._send(chunk, values, held, missing, None, sender)

    def _send(
        self,
        chunk: Sequence[str],
        values: NDArray[np.uint8],
        held: NDArray[np.bool_],
        missing: list[str],
        number: int | None,
        sender: Sender[bytes],
    ) -> _Part:
        """Blind and send what is missing of a chunk; it is in the store before."""
        blinding = self._keys.blinding(self._ask.engine, self._counterpart.contract, self._ask.epoch, missing)
        request = blinding.request(missing, self._crew())
        if number is None:
            number = self._store.begin(missing)
        response = sender.send(lambda: self._counterpart.match(request))
        return _Part(chunk, values, held, missing, number, blinding, response)

    def _receive(self, part: _Part) -> tuple[Sequence[str], NDArray[np.uint8]]:
        """The values of a chunk; those that were sent for are kept."""
        if part.blinding is None or part.response is None:
            return part.chunk, part.values
        try:
            response = part.response.result()
        except (Refused, InvalidInput):
            # Refused though the job stands: the request was never charged, for then the same bytes are let through, and
            # it would stand in the way of all others. Stopped with its contract, it may have been, and is kept.
            if self._counterpart.stands():
                self._store.drop(part.number)
            raise
        with strict("matching"):
            fresh = part.blinding.finish(response, len(part.missing), self._crew())
        self._store.keep(part.number, part.missing, fresh)
        part.values[~part.held] = fresh
        self.sent += len(part.missing)
        return part.chunk, part.values


class _Crew:
    """A crew of several processes where they are worth their start; they start while other things are done."""

    def __init__(self, ask: Ask, codes: int) -> None:
        self._crew = open_crew(ask.processes) if codes >= CREW_FROM and ask.processes != 1 else None
        self._starting = threading.Thread(target=self._start, daemon=True)
        self._starting.start()

    def __call__(self) -> Crew | None:
        self._starting.join()
        return self._crew

    def close(self) -> None:
        """Let the processes go."""
        self._starting.join()
        if self._crew is not None:
            self._crew.close()

    def _start(self) -> None:
        if self._crew is not None:
            nothing = ("", (), np.zeros((0, VALUE_BYTES), dtype=np.uint8))
            with suppress(CrewLost):  # told when there is work
                list(self._crew.map(digests, [nothing] * self._crew.size))


@contextmanager
def _told() -> Iterator[None]:
    """The loss of a crew as an error with a next step."""
    try:
        yield
    except CrewLost as error:
        raise Conflict(
            f"{error} What was asked for before is kept.",
            next_step="look whether memory ran out; the same command with --processes 1 does without them",
        ) from None


def _about_to_be_sent(store: Evaluations, codes: Sequence[str]) -> int:
    """About how many of ``codes`` have no value yet, from a sample."""
    sample = codes[:: max(len(codes) // _SAMPLE, 1)]
    return len(store.missing(sample)) * len(codes) // max(len(sample), 1)


def _look_up(
    held: HeldSetup, buckets: NDArray[np.uint32], places: NDArray[np.uint64], progress: Progress
) -> NDArray[np.int64]:
    """Positions, int64 [m], of the marks that are in the set-up."""
    order = np.argsort(buckets, kind="stable")
    bounds = np.searchsorted(buckets[order], np.arange(held.setup.geometry.buckets + 1))
    hits = [np.zeros(0, dtype=np.int64)]
    with progress.stage("look-up", held.setup.geometry.buckets) as stage:
        for number in range(held.setup.geometry.buckets):
            mine = order[bounds[number] : bounds[number + 1]]
            if len(mine):
                hits.append(mine[np.isin(places[mine], held.bucket(number))])
            stage.advance()
    return np.concatenate(hits)
