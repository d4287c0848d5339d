"""Batches of a scoring job: encrypted, sent, evaluated at the bureau, decrypted, with their receipts checked.

Batch k + 1 is encrypted while the bureau evaluates batch k. What is paid for is kept in the run's folder. A batch that
an earlier job sent is named by its hash instead of sent, and evaluated again. Only then may a reply leave out rows.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.connection.background_sender import BackgroundSender
from lab.bank.connection.responses import translate_protocol_errors
from lab.bank.contract.agreement import ActiveScoringContract
from lab.bank.contract.ledger_witness import BatchExchange
from lab.bank.keys import BankKeys
from lab.bank.runs.job_session import JobSession
from lab.bank.runs.manifest import RunTimer
from lab.bank.runs.store import BatchSums
from lab.bank.scoring.batch_transfer import request_reevaluation, submit_batch
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from lab.terms.progress import ProgressStage
from protocols.scoring.parameters import ParameterSet

MAX_BATCHES_IN_FLIGHT = 2
"""Batches that the bureau has at once: one under evaluation, one on its way. More would only fill memory."""

_Reply = tuple[bytes, dict[str, Any]]
"""A reply frame and its receipt."""
_SumsAndReceipts = tuple[NDArray[np.int64], list[dict[str, Any]]]


@dataclass(frozen=True)
class PublicContext:
    """The frame with the bank's public key, and its SHA-256, under which the bureau keeps it."""

    frame: bytes
    sha256: str

    @classmethod
    def from_keys(cls, keys: BankKeys, params: ParameterSet) -> PublicContext:
        """The bank's context for a parameter set."""
        frame = keys.public_context(params)
        return cls(frame, hashlib.sha256(frame).hexdigest())


@dataclass(frozen=True)
class _SentBatch:
    """A batch on its way: its number in the run, its SHA-256, and the reply to come."""

    number: int
    sha256: str
    reply: Future[_Reply]


class BatchSender:
    """Has the batches of one run scored."""

    def __init__(self, job: JobSession[ActiveScoringContract], context: PublicContext, timer: RunTimer) -> None:
        self._job, self._context, self._timer = job, context, timer
        self._contract, self._sheet = job.contract.id, job.active.sheet
        self._holder = job.keys.key_holder(job.active.params)

    def score(self, frame: pl.DataFrame, tags: NDArray[np.uint8], indices: NDArray[np.int64]) -> _SumsAndReceipts:
        """Encrypt the rows ``indices`` of ``frame``, with ``tags`` uint8 [rows, 16] as names, and have them scored.

        Returns the sums, int64 [outputs, rows], and the receipts, batch by batch. Raises what ``submit_batch`` and the
        receipt checks raise, and ``InvalidInput`` for a reply that does not fit.
        """
        sizes = self.batch_sizes(len(indices))
        starts = np.cumsum([0, *sizes]).tolist()
        columns = len(self.missing_batches(sizes)) * len(self._sheet.columns)
        with self._job.progress.stage("encrypt", columns) as stage, closing(_sender()) as sender:

            def encrypt_and_send(number: int) -> _SentBatch:
                part = slice(starts[number], starts[number + 1])
                batch = self._encrypt(number, frame[indices[part]], tags[part], stage)
                sha256 = hashlib.sha256(batch).hexdigest()
                reply = sender.send(
                    lambda: self._send_again_if_lost(
                        lambda: submit_batch(self._job.client, self._contract, self._job.run.id, batch, sha256=sha256)
                    )
                )
                return _SentBatch(number, sha256, reply)

            found = self._exchange(sizes, encrypt_and_send, refused=None).values()
        empty = np.zeros((len(self._sheet.outputs), 0), dtype=np.int64)
        sums = np.concatenate([empty, *(one.values for one in found)], axis=1)
        return sums, [dict(one.receipt) for one in found]

    def rescore(
        self, hashes: Sequence[str], sizes: Sequence[int], refused: dict[int, NotAllowed]
    ) -> dict[int, BatchSums]:
        """As ``score``, for batches that an earlier job sent: their ``hashes`` and ``sizes`` in rows; the sums of each
        batch by its number, for the rows that the bureau did not drop.

        A batch that the bureau refuses does not stop the others: its error goes into ``refused`` under its number.
        """
        with closing(_sender(continue_after=(NotAllowed,))) as sender:

            def send_hash(number: int) -> _SentBatch:
                sha256 = hashes[number]
                reply = sender.send(
                    lambda: self._send_again_if_lost(
                        lambda: request_reevaluation(self._job.client, self._contract, self._job.run.id, sha256)
                    )
                )
                return _SentBatch(number, sha256, reply)

            return self._exchange(sizes, send_hash, refused)

    @property
    def largest_batch(self) -> int:
        """Rows of every batch but the last one."""
        return min(self._job.contract.ceilings.rows_per_batch, self._job.active.params.slots)

    def batch_sizes(self, rows: int) -> list[int]:
        """How many rows each batch of a job of ``rows`` has."""
        return [min(self.largest_batch, rows - start) for start in range(0, rows, self.largest_batch)]

    def missing_batches(self, sizes: Sequence[int]) -> list[int]:
        """The numbers of the batches whose sums are not kept yet."""
        return [number for number in range(len(sizes)) if self._job.run.batch_sums(number) is None]

    def _exchange(
        self, sizes: Sequence[int], send: Callable[[int], _SentBatch], refused: dict[int, NotAllowed] | None
    ) -> dict[int, BatchSums]:
        """Send each missing batch and receive its reply; the sums of all batches that have any, in order.

        ``refused`` None: these are first evaluations, of which none may be refused and no row left out.
        """
        missing, waiting = self.missing_batches(sizes), deque[_SentBatch]()
        if missing:
            self._upload_context()  # if nothing is missing, the job may have ended at the bureau before it was stopped
        with ExitStack() as stack:
            scoring = stack.enter_context(self._job.progress.stage("score", len(missing)))
            decrypting = stack.enter_context(self._job.progress.stage("decrypt", len(missing)))

            def receive_first() -> None:
                sent = waiting.popleft()
                try:
                    self._receive(sent, sizes[sent.number], scoring, named_again=refused is not None)
                except NotAllowed as error:
                    if refused is None:
                        raise
                    refused[sent.number] = error
                else:
                    decrypting.advance(1)

            for number in missing:
                sent = send(number)
                if len(waiting) == MAX_BATCHES_IN_FLIGHT:
                    receive_first()
                waiting.append(sent)
            while waiting:
                receive_first()
        kept = {number: self._job.run.batch_sums(number) for number in range(len(sizes))}
        return {number: sums for number, sums in kept.items() if sums is not None}

    def _send_again_if_lost(self, send: Callable[[], _Reply]) -> _Reply:
        """Send a batch; once more, with the context, if the bureau has lost either meanwhile. It is charged once."""
        try:
            return send()
        except NotFound:
            self._upload_context()
            return send()

    def _upload_context(self) -> None:
        """Send the public context, unless the bureau has it."""
        client, job = self._job.client, self._job.run.id
        if not client.has_context(self._contract, job, self._context.sha256):
            client.put_context(self._contract, job, self._context.sha256, self._context.frame)

    def _encrypt(self, number: int, frame: pl.DataFrame, tags: NDArray[np.uint8], stage: ProgressStage) -> bytes:
        kept = self._job.run.batch(number)
        if kept is not None:
            stage.advance(len(self._sheet.columns))
            return kept
        with self._timer.step("encrypt"):
            indicators = self._sheet.compute_indicators(frame)
            batch = self._holder.encrypt(
                tags, indicators, contract=self._contract, context=self._context.sha256, on_column=stage.advance
            )
        self._job.run.save_batch(number, batch)
        return batch

    def _receive(self, sent: _SentBatch, rows: int, scoring: ProgressStage, *, named_again: bool) -> None:
        """Check the receipt of a batch, decrypt its reply and keep the sums."""
        with self._timer.step("score"):
            reply, receipt = sent.reply.result()
        places = np.arange(rows, dtype=np.int64)
        if named_again:
            with translate_protocol_errors("scoring"):
                places = self._holder.scored_places(reply, rows=rows, batch=sent.sha256)
        model, scored = str(self._sheet.ref), len(places)
        exchange = BatchExchange(self._contract, self._job.run.id, model, rows, sent.sha256, reply, scored)
        self._job.witness.check_receipt(receipt, exchange)
        scoring.advance(1)
        with self._timer.step("decrypt"), translate_protocol_errors("scoring"):
            decrypt = self._holder.decrypt_scored if named_again else self._holder.decrypt
            sums = decrypt(reply, rows=rows, batch=sent.sha256)
        expected = len(self._sheet.outputs)
        if len(sums) != expected:
            raise InvalidInput(
                f"Expected {expected} outputs in the bureau's reply, as the sheet says; found {len(sums)}.",
                next_step="ask the bureau",
            )
        self._job.run.save_batch_sums(sent.number, BatchSums(places, sums, receipt))


def _sender(*, continue_after: tuple[type[Exception], ...] = ()) -> BackgroundSender[_Reply]:
    return BackgroundSender(threads=MAX_BATCHES_IN_FLIGHT, continue_after=continue_after)
