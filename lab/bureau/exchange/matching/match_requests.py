"""Matching under a contract: the set-up, fetched once a register version, and the evaluation of blinded identifiers.

Every request belongs to a job and uses the matching key of its epoch for the contract and operation. Where the contract
requires consent, the set-up contains the consenting enterprises only, so that another enterprise looks exactly like one
that is not in the register. Counting is an operation of its own: its set-up is for one job, and its responses are
sorted, so that their order reveals nothing.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest
from lab.bureau.contracts.repository import find_version
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.access import AccessGrant
from lab.bureau.exchange.charges import charge_identifiers, count_refund, refund_identifiers
from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.exchange.matching.index import ContractIndex
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.exchange.refusals import records_refusals
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.ledger.rate_limited_entries import Tally, check_refund_limit, record_or_count
from lab.bureau.store.tables import MatchRequestRow, MatchResponseRow
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed, NotFound, Unreachable
from lab.terms.ledger.receipt import MatchReceipt
from protocols.compute_pool import ComputePool, ComputePoolError
from protocols.matching.bureau import (
    MAX_SHARD_BUCKETS,
    MIN_CANARIES,
    MIN_COUNT_IDENTIFIERS,
    count_requested_elements,
    evaluate_elements,
    matching_operation,
    pack_response,
    pack_shard,
    read_request,
    timed,
)
from protocols.matching.bureau import MatchingOperation as Kind

MAX_ANSWERING_JOBS = 32
"""Jobs in which one request is answered. It is charged once, but each job in which it is answered has an entry of its
own for the receipt: without a bound a bank could repeat all its requests in every job, and grow the ledger for free."""
_MIN_CHUNK, _MAX_CHUNK = 4_096, 25_000
"""Elements that one worker takes at a time: two tenths of a second to a second's work. Each chunk has a process of its
own, which costs a hundredth, and another bank's request waits for at most one chunk a worker."""
_RequestKey = tuple[str, int, str, bool]
"""Contract, epoch, hash of the request, and whether it counts."""


class MatchingService:
    """Matching and counting. Safe to use from several threads.

    ``compute_pool`` lends the workers that evaluate bytes from banks, by the number of elements.
    """

    def __init__(
        self,
        resources: ExchangeResources,
        indexes: ContractIndexes,
        compute_pool: Callable[[int], AbstractContextManager[ComputePool]],
    ) -> None:
        self._store, self._keys, self._ledger = resources.store, resources.keys, resources.ledger
        self._access, self._consents, self._now = resources.access, resources.consents, resources.clock
        self._indexes, self._compute_pool, self.refusals = indexes, compute_pool, resources.refusals
        self._lock = threading.Lock()
        self.arithmetic_seconds = 0.0
        """Processor seconds of the engines' arithmetic for requests, since this process started."""

    @records_refusals("matching-setup")
    def setup(self, contract_id: str, job_id: str, *, counting: bool = False) -> bytes:
        """The manifest of the set-up for the present register and consents.

        Raises what ``AccessControl.authorise_request`` raises, and ``Busy`` while a large register is prepared.
        """
        now = self._now()
        access, key = self._find_index_key(contract_id, job_id, now, counting)
        index = self._indexes.get_or_make(key)
        with self._store.begin() as session:
            # Preparing may have taken long: a set-up of a contract that was stopped meanwhile is not sent.
            self._authorise(session, contract_id, job_id, now, counting)
            facts: dict[str, Fact] = {
                "job": job_id,
                "register": key.selection.snapshot.name,
                "register_version": key.selection.snapshot.version,
                "entries": index.setup.entries,
                "setup_sha256": index.setup.sha256,
                "counting": counting,
            }
            # The same set-up again costs the bank nothing: after the first times it is only counted.
            about: dict[str, Fact] = {"setup_sha256": index.setup.sha256, "counting": counting}
            record_or_count(session, "match.setup", contract_id, facts, Tally(about), by=access.actor, now=now)
        return index.manifest

    @records_refusals("matching-setup")
    def shard(self, contract_id: str, job_id: str, sha256: str, first: int, count: int) -> bytes:
        """Buckets ``first`` to ``first`` + ``count`` of a set-up, as a frame.

        Raises ``NotFound`` when the set-up is not the present one any more (register or consents have changed), and
        ``InvalidInput`` for buckets that it does not have.
        """
        key, index = self._find_index(contract_id, job_id, sha256)
        if first >= index.setup.geometry.buckets or not 1 <= count <= MAX_SHARD_BUCKETS:
            raise InvalidInput(
                f"Expected 1 to {MAX_SHARD_BUCKETS} buckets of a set-up of {index.setup.geometry.buckets}; "
                "found other numbers.",
                next_step="ask for buckets that the manifest names",
            )
        return pack_shard(sha256, first, self._indexes.read_buckets(key, sha256, first, count))

    @records_refusals("matching-setup")
    def delta(self, contract_id: str, job_id: str, sha256: str, since: str) -> bytes:
        """What turns the set-up ``since`` into the present one, as a frame; raises ``NotFound`` if nothing does."""
        return self._indexes.delta(self._find_index(contract_id, job_id, sha256)[1], since, contract_id)

    @records_refusals("match")
    def match(self, contract_id: str, job_id: str, request: bytes) -> tuple[bytes, MatchReceipt]:
        """The response frame to a request frame of blinded identifiers, and its receipt.

        All identifiers of the request are charged before it is evaluated, whether they are in the register or not
        (the bureau cannot know). The charge is refunded if the evaluation fails or the contract is stopped meanwhile.
        The same bytes again under the contract and epoch get the same response at no charge.
        Raises what ``AccessControl.authorise_request`` raises, ``NotAllowed`` at the ceiling, ``InvalidInput`` for a
        malformed request, ``Unreachable`` if the workers fail.
        """
        return self._answer(contract_id, job_id, request, counting=False)

    @records_refusals("count")
    def count(self, contract_id: str, job_id: str, request: bytes) -> tuple[bytes, MatchReceipt]:
        """As ``match``, for a count: the evaluations are sorted, so that their order reveals nothing.

        Raises what ``match`` raises, and ``NotAllowed`` for too few identifiers.
        """
        return self._answer(contract_id, job_id, request, counting=True)

    def _answer(self, contract_id: str, job_id: str, request: bytes, *, counting: bool) -> tuple[bytes, MatchReceipt]:
        now = self._now()
        with self._store.begin_read() as session:
            find_version(session, contract_id)  # an unknown contract is NotFound before its request is read
        count = _count_identifiers(request, counting)
        digest = hashlib.sha256(request).hexdigest()
        facts: dict[str, Fact] = {
            "job": job_id,
            "identifiers": count,
            "request_sha256": digest,
            "counting": counting,
        }
        with self._store.begin() as session:
            access = self._authorise(session, contract_id, job_id, now, counting, identifiers=count, lock=True)
            key = (contract_id, access.job.epoch, digest, counting)
            repeated = session.get(MatchRequestRow, key) is not None
            if repeated:
                _check_answering_jobs(session, key, job_id)
                about: dict[str, Fact] = {"counting": counting}
                record_or_count(session, "match.repeated", contract_id, facts, Tally(about), by=access.actor, now=now)
            else:
                check_refund_limit(session, contract_id, now)
                charge_identifiers(session, access.contract, count)
                session.add(_request_row(access, key, count, now))
                session.flush()
                record(session, "match.charged", contract_id, facts, by=access.actor)
        try:
            evaluated = self._evaluate(access, request, matching_operation(counting))
            response = pack_response(access.contract.engine, evaluated, counting=counting)
            with self._store.begin() as session:
                self._authorise(session, contract_id, job_id, now, counting, lock=True)
                row = session.get(MatchRequestRow, key)
                if row is None:  # the same bytes failed in a parallel request, and their charge was refunded
                    raise Unreachable("The evaluation of this request was given up.", next_step="send it again")
                row.answered_at = row.answered_at or now
                session.flush()
                entry = _record_response(session, (*key, job_id), response, facts, by=access.actor)
        except Exception as error:
            if not repeated:
                self._refund(key, facts, error, now)
            if isinstance(error, ValueError):
                raise _unacceptable(error) from None
            raise
        return response, self._ledger.receipt(entry, MatchReceipt)

    def _evaluate(self, access: AccessGrant, request: bytes, operation: Kind) -> NDArray[np.uint8]:
        engine, contract, epoch = access.contract.engine, access.contract.id, access.job.epoch
        blinded = read_request(engine, request, ceiling=access.contract.ceilings.identifiers_per_match)

        def evaluate(key: bytes) -> list[NDArray[np.uint8]]:
            with self._compute_pool(len(blinded)) as pool:
                size = chunk_size(len(blinded), pool.size)
                rows = ((engine, key, blinded[start : start + size]) for start in range(0, len(blinded), size))
                found = list(pool.map(partial(timed, evaluate_elements), rows))
            self._count_arithmetic(sum(seconds for _, seconds in found))
            return [part for part, _ in found]

        try:
            parts = self._keys.with_matching_key(engine, epoch, contract, operation, evaluate)
            return np.concatenate([blinded[:0], *parts])
        except ComputePoolError as error:
            raise Unreachable(str(error), next_step="send it again; the bureau's operator has to look") from None

    def _count_arithmetic(self, seconds: float) -> None:
        with self._lock:
            self.arithmetic_seconds += seconds

    def _refund(self, key: _RequestKey, facts: dict[str, Fact], error: Exception, now: datetime) -> None:
        contract_id = key[0]
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            row = session.get(MatchRequestRow, key)
            if row is not None and row.answered_at is None:
                session.delete(row)
                session.flush()
                refund_identifiers(session, contract_id, row.identifiers)
                count_refund(session, contract_id, error, now)
                record(session, "match.returned", contract_id, facts, by=BUREAU_ACTOR)

    def _find_index(self, contract_id: str, job_id: str, sha256: str) -> tuple[IndexKey, ContractIndex]:
        """The present index of that name, for matching or for counting, whichever the contract allows."""
        refusals = []
        for counting in (False, True):
            try:
                _, key = self._find_index_key(contract_id, job_id, self._now(), counting)
            except NotAllowed as error:
                refusals.append(error)
                continue
            index = self._indexes.find(key)
            if index is not None and index.setup.sha256 == sha256:
                return key, index
        if len(refusals) == 2:
            raise refusals[0]
        raise NotFound(
            "The set-up of this name is not the present one: register or consents have changed, or it never was.",
            next_step="fetch the manifest again",
        )

    def _find_index_key(
        self, contract_id: str, job_id: str, now: datetime, counting: bool
    ) -> tuple[AccessGrant, IndexKey]:
        """The index for the present register and consents."""
        with self._store.begin_read() as session:
            access = self._authorise(session, contract_id, job_id, now, counting)
            snapshot = find_snapshot(session, access.model_version.register)
            consenting = self._consents.consenting_rows(
                session, snapshot, access.contract, access.contract_version.bank_id, now
            )
        scope = MatchingKeyScope(contract_id, matching_operation(counting), access.contract.engine, access.job.epoch)
        return access, IndexKey(scope, RowSelection(snapshot, consenting), job_id if counting else None)

    def _authorise(
        self,
        session: Session,
        contract_id: str,
        job_id: str,
        now: datetime,
        counting: bool,
        *,
        identifiers: int | None = None,
        lock: bool = False,
    ) -> AccessGrant:
        operation = Operation.COUNT if counting else Operation.MATCH
        return self._access.authorise_request(
            session, contract_id, operation, job_id, now, AccessRequest(identifiers=identifiers), lock=lock
        )


def chunk_size(elements: int, workers: int) -> int:
    """How many of ``elements`` one worker takes at a time: all take as many, in as few chunks as keep them busy."""
    chunks = max(min(workers, elements // _MIN_CHUNK), -(-elements // _MAX_CHUNK), 1)
    return max(-(-elements // chunks), 1)


def _count_identifiers(request: bytes, counting: bool) -> int:
    """How many identifiers a request frame asks about; raises ``NotAllowed`` for a count of too few."""
    try:
        count = count_requested_elements(request)
    except ValueError as error:
        raise _unacceptable(error) from None
    if counting and count < MIN_COUNT_IDENTIFIERS + MIN_CANARIES:
        raise NotAllowed(
            f"Counting takes at least {MIN_COUNT_IDENTIFIERS} identifiers and their {MIN_CANARIES} "
            f"canaries; {count} were asked in all.",
            next_step="count a larger portfolio: a count of a few would reveal each of them",
        )
    return count


def _check_answering_jobs(session: Session, key: _RequestKey, job_id: str) -> None:
    """Raise ``NotAllowed`` if a request would be answered in one job too many. Call it with the contract locked."""
    if session.get(MatchResponseRow, (*key, job_id)) is not None:
        return
    contract_id, epoch, request, counting = key
    answered = select(func.count()).where(
        MatchResponseRow.contract_id == contract_id,
        MatchResponseRow.epoch == epoch,
        MatchResponseRow.request_sha256 == request,
        MatchResponseRow.counting == counting,
    )
    if (session.scalar(answered) or 0) >= MAX_ANSWERING_JOBS:
        raise NotAllowed(
            f"This request was answered in {MAX_ANSWERING_JOBS} jobs already; it is not answered in another.",
            next_step="keep the response, or make the request anew",
        )


def _record_response(
    session: Session, key: tuple[str, int, str, bool, str], response: bytes, facts: dict[str, Fact], *, by: str
) -> int:
    """The number of the ledger entry of this response in this job.

    It is written once, however often the request is sent: a repetition is free and must not make the ledger grow.
    """
    contract_id, epoch, request, counting, job_id = key
    digest = hashlib.sha256(response).hexdigest()
    kept = session.get(MatchResponseRow, key)
    if kept is not None and kept.response_sha256 == digest:
        return kept.entry
    outcome: dict[str, Fact] = {"response_sha256": digest, "epoch": epoch}
    entry = record(session, "match.answered", contract_id, facts | outcome, by=by).seq
    if kept is None:
        kept = MatchResponseRow(
            contract_id=contract_id, epoch=epoch, request_sha256=request, counting=counting, job_id=job_id
        )
        session.add(kept)
    kept.response_sha256, kept.entry = digest, entry
    session.flush()
    return entry


def _request_row(access: AccessGrant, key: _RequestKey, count: int, now: datetime) -> MatchRequestRow:
    contract_id, epoch, digest, counting = key
    return MatchRequestRow(
        contract_id=contract_id,
        epoch=epoch,
        request_sha256=digest,
        job_id=access.job.id,
        counting=counting,
        identifiers=count,
        charged_at=now,
    )


def _unacceptable(error: ValueError) -> InvalidInput:
    return InvalidInput(f"The matching request is not acceptable: {error}.", next_step="make it again")
