"""Batches on their way: encrypted, sent, evaluated at the bureau, decrypted, with their receipts checked.

Batch k + 1 is encrypted while the bureau evaluates batch k. What is paid for is kept in the run's folder.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.agreement import Agreement
from lab.bank.answers import strict
from lab.bank.delivery import deliver
from lab.bank.outlet import Outlet
from lab.bank.run import Run
from lab.bank.witness import Exchange, Witness
from lab.terms.errors import InvalidInput
from lab.terms.progress import Progress, Stage
from protocols.scoring.bank import KeyHolder

IN_FLIGHT = 2
"""Batches that the bureau may have at once: one under evaluation, one on the way; more would only fill memory."""

_T = TypeVar("_T")


@dataclass
class Clock:
    """Seconds by step. Steps overlap, so they may add up to more than the total."""

    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("match", "encrypt", "score", "decrypt"), 0.0)
    )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun


class Courier:
    """Encrypts, sends, decrypts: batch k + 1 is encrypted while the bureau evaluates batch k."""

    def __init__(
        self,
        agreement: Agreement,
        holder: KeyHolder,
        outlet: Outlet,
        run: Run,
        clock: Clock,
        context: str,
        witness: Witness,
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
        sheet, size = self._agreement.sheet, self._rows_per_batch
        parts = [slice(start, start + size) for start in range(0, len(indices), size)]
        open_parts = self.missing(len(indices))
        found = {number: kept for number in range(len(parts)) if (kept := self._run.values(number)) is not None}
        with ExitStack() as stack:
            encrypting = stack.enter_context(progress.stage("encrypt", len(open_parts) * len(sheet.columns)))
            scoring = stack.enter_context(progress.stage("score", len(open_parts)))
            decrypting = stack.enter_context(progress.stage("decrypt", len(open_parts)))
            on_the_way: deque[tuple[int, bytes, Future[tuple[bytes, dict[str, Any]]]]] = deque()
            for number in open_parts:
                part = parts[number]
                batch = self._encrypt(number, frame[indices[part]], tags[part], encrypting)
                if len(on_the_way) == IN_FLIGHT:
                    self._receive(*on_the_way.popleft(), parts, found, len(indices), scoring, decrypting)
                on_the_way.append((number, batch, _start(lambda batch=batch: self._send(batch))))  # type: ignore[misc]
            while on_the_way:
                self._receive(*on_the_way.popleft(), parts, found, len(indices), scoring, decrypting)
        empty = np.zeros((len(sheet.outputs), 0), dtype=np.int64)
        values = np.concatenate([empty, *(found[number][0] for number in range(len(parts)))], axis=1)
        return values, [found[number][1] for number in range(len(parts))]

    def missing(self, rows: int) -> list[int]:
        """The batches of a job of so many rows whose sums are not kept yet."""
        count = -(-rows // self._rows_per_batch)
        return [number for number in range(count) if self._run.values(number) is None]

    @property
    def _rows_per_batch(self) -> int:
        return min(self._agreement.contract.ceilings.rows_per_batch, self._agreement.params.slots)

    def _encrypt(self, number: int, frame: pl.DataFrame, tags: NDArray[np.uint8], stage: Stage) -> bytes:
        kept = self._run.batch(number)
        if kept is not None:
            stage.advance(len(self._agreement.sheet.columns))
            return kept
        with self._clock.step("encrypt"):
            answers = self._agreement.sheet.indicators(frame)
            contract = self._agreement.contract.id
            batch = self._holder.encrypt(
                tags, answers, contract=contract, context=self._context, on_column=stage.advance
            )
        self._run.keep_batch(number, batch)
        return batch

    def _send(self, batch: bytes) -> tuple[bytes, dict[str, Any]]:
        return deliver(self._outlet, self._agreement.contract.id, self._run.id, batch)

    def _receive(
        self,
        number: int,
        batch: bytes,
        answer: Future[tuple[bytes, dict[str, Any]]],
        parts: list[slice],
        found: dict[int, tuple[NDArray[np.int64], dict[str, Any]]],
        total: int,
        scoring: Stage,
        decrypting: Stage,
    ) -> None:
        with self._clock.step("score"):
            reply, receipt = answer.result()
        sheet, rows = self._agreement.sheet, len(range(*parts[number].indices(total)))
        model = f"{sheet.model}@{sheet.version}"
        exchanged = Exchange(self._agreement.contract.id, self._run.id, model, rows, batch, reply)
        self._witness.check(receipt, exchanged)
        scoring.advance(1)
        with self._clock.step("decrypt"), strict("scoring"):
            values = self._holder.decrypt(reply, rows=rows, batch=batch)
        wanted = len(self._agreement.sheet.outputs)
        if len(values) != wanted:
            raise InvalidInput(
                f"The bureau's reply has {len(values)} outputs; the sheet says {wanted}.", next_step="ask the bureau"
            )
        self._run.keep_values(number, values, receipt)
        found[number] = (values, receipt)
        decrypting.advance(1)


def _start(task: Callable[[], _T]) -> Future[_T]:
    """Run ``task`` in a thread that does not keep the process alive, so that an interrupted job ends at once."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
