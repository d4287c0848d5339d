"""Batches on their way: encrypted, sent, evaluated at the bureau, decrypted, with their receipts checked.

Batch k + 1 is encrypted while the bureau evaluates batch k. What is paid for is kept in the run's folder. Batches of an
earlier job are named instead of sent, and evaluated again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.connection.client import BureauClient
from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.contract.agreement import ActiveScoringContract
from lab.bank.contract.ledger_witness import BatchExchange, LedgerWitness
from lab.bank.runs.store import Run
from lab.bank.scoring.batch_transfer import request_reevaluation, submit_batch
from lab.terms.errors import InvalidInput, NotAllowed
from lab.terms.progress import Progress, ProgressStage
from protocols.scoring.bank import KeyHolder

MAX_BATCHES_IN_FLIGHT = 2
"""Batches that the bureau may have at once: one under evaluation, one on the way; more would only fill memory."""

_T = TypeVar("_T")
_Reply = tuple[bytes, dict[str, Any]]


@dataclass
class StepTimer:
    """Seconds by step. Steps overlap, so they may add up to more than the total."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("read", "match", "encrypt", "score", "decrypt", "results"), 0.0)
    )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to the step ``name``."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun


class BatchSender:
    """Encrypts, sends, decrypts: batch k + 1 is encrypted while the bureau evaluates batch k."""

    def __init__(
        self,
        agreement: ActiveScoringContract,
        holder: KeyHolder,
        outlet: BureauClient,
        run: Run,
        clock: StepTimer,
        context: str,
        witness: LedgerWitness,
    ) -> None:
        self._agreement = agreement
        self._holder = holder
        self._outlet = outlet
        self._run = run
        self._clock = clock
        self._context = context
        self._witness = witness

    def score(
        self, frame: pl.DataFrame, tags: NDArray[np.uint8], indices: NDArray[np.int64], progress: Progress
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """Sums int64 [outputs, rows] and the receipts, batch by batch."""
        sizes = self.batch_sizes(len(indices))
        starts = np.cumsum([0, *sizes]).tolist()
        with progress.stage(
            "encrypt", len(self.missing_batches(sizes)) * len(self._agreement.sheet.columns)
        ) as encrypting:

            def prepare(number: int) -> tuple[str, Future[_Reply]]:
                part = slice(starts[number], starts[number + 1])
                batch = self._encrypt(number, frame[indices[part]], tags[part], encrypting)
                name = hashlib.sha256(batch).hexdigest()
                return name, _run_in_background(
                    lambda: submit_batch(self._outlet, self._contract, self._run.id, batch, sha256=name)
                )

            return self._fetch(sizes, prepare, progress)

    def rescore(
        self, names: Sequence[str], sizes: Sequence[int], refused: dict[int, NotAllowed], progress: Progress
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """As ``score``, for batches that an earlier job sent: by their hashes, with their rows.

        One that is refused does not hold up the others: it goes into ``refused`` by its number.
        """

        def prepare(number: int) -> tuple[str, Future[_Reply]]:
            name = names[number]
            return name, _run_in_background(
                lambda: request_reevaluation(self._outlet, self._contract, self._run.id, name)
            )

        return self._fetch(sizes, prepare, progress, refused)

    def batch_sizes(self, rows: int) -> list[int]:
        """How many rows each batch of a job of so many has."""
        most = min(self._agreement.contract.ceilings.rows_per_batch, self._agreement.params.slots)
        return [min(most, rows - start) for start in range(0, rows, most)]

    def missing_batches(self, sizes: Sequence[int]) -> list[int]:
        """The batches whose sums are not kept yet."""
        return [number for number in range(len(sizes)) if self._run.batch_sums(number) is None]

    @property
    def _contract(self) -> str:
        return self._agreement.contract.id

    def _fetch(
        self,
        sizes: Sequence[int],
        prepare: Callable[[int], tuple[str, Future[_Reply]]],
        progress: Progress,
        refused: dict[int, NotAllowed] | None = None,
    ) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
        """Have each missing batch sent, by its name, and take in its reply; the sums of all batches that have any."""
        missing, waiting = self.missing_batches(sizes), deque[tuple[int, str, Future[_Reply]]]()
        with ExitStack() as stack:
            scoring = stack.enter_context(progress.stage("score", len(missing)))
            decrypting = stack.enter_context(progress.stage("decrypt", len(missing)))

            def receive_first() -> None:
                number, batch, answer = waiting.popleft()
                try:
                    self._receive(number, batch, answer, sizes[number], scoring, decrypting)
                except NotAllowed as error:
                    if refused is None:
                        raise
                    refused[number] = error

            for number in missing:
                prepared = prepare(number)
                if len(waiting) == MAX_BATCHES_IN_FLIGHT:
                    receive_first()
                waiting.append((number, *prepared))
            while waiting:
                receive_first()
        found = [kept for number in range(len(sizes)) if (kept := self._run.batch_sums(number)) is not None]
        empty = np.zeros((len(self._agreement.sheet.outputs), 0), dtype=np.int64)
        return np.concatenate([empty, *(values for values, _ in found)], axis=1), [receipt for _, receipt in found]

    def _encrypt(self, number: int, frame: pl.DataFrame, tags: NDArray[np.uint8], stage: ProgressStage) -> bytes:
        kept = self._run.batch(number)
        if kept is not None:
            stage.advance(len(self._agreement.sheet.columns))
            return kept
        with self._clock.step("encrypt"):
            answers = self._agreement.sheet.compute_indicators(frame)
            batch = self._holder.encrypt(
                tags, answers, contract=self._contract, context=self._context, on_column=stage.advance
            )
        self._run.save_batch(number, batch)
        return batch

    def _receive(
        self,
        number: int,
        batch: str,
        answer: Future[_Reply],
        rows: int,
        scoring: ProgressStage,
        decrypting: ProgressStage,
    ) -> None:
        with self._clock.step("score"):
            reply, receipt = answer.result()
        sheet = self._agreement.sheet
        model = f"{sheet.model}@{sheet.version}"
        exchanged = BatchExchange(self._contract, self._run.id, model, rows, batch, reply)
        self._witness.check_receipt(receipt, exchanged)
        scoring.advance(1)
        with self._clock.step("decrypt"), translate_protocol_errors("scoring"):
            values = self._holder.decrypt(reply, rows=rows, batch=batch)
        wanted = len(self._agreement.sheet.outputs)
        if len(values) != wanted:
            raise InvalidInput(
                f"The bureau's reply has {len(values)} outputs; the sheet says {wanted}.", next_step="ask the bureau"
            )
        self._run.save_batch_sums(number, values, receipt)
        decrypting.advance(1)


def _run_in_background(task: Callable[[], _T]) -> Future[_T]:
    """Run ``task`` in a thread that does not keep the process alive, so that an interrupted job ends at once."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
