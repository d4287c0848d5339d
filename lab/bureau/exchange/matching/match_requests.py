"""Matching under a contract: the set-up that a bank fetches once a register version, answers to blinded identifiers.

All of it belongs to a job and uses the matching key of its epoch for the contract and operation. Where the contract
requires consent, the set-up is made of the consenting enterprises alone, so that another enterprise looks exactly like
one that is not in the register. Counting is an operation of its own: its set-up is of one job, and its answers come in
an order that tells nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.contracts.lifecycle import find_version
from lab.bureau.data.consents import ConsentService
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.access import AccessControl, AccessGrant
from lab.bureau.exchange.batches import RecordedReply
from lab.bureau.exchange.charges import charge_identifiers, count_refund, refund_identifiers
from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.exchange.matching.index import ContractIndex
from lab.bureau.exchange.matching.index_store import ContractIndexes, IndexKey
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope, RowSelection
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.ledger.rate_limited_entries import check_refund_limit, record_or_count
from lab.bureau.store import Database
from lab.bureau.store.tables import MatchRequestRow, MatchResponseRow
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed, NotFound, Unreachable
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
)
from protocols.matching.bureau import MatchingOperation as Kind

MAX_ANSWERING_JOBS = 32
"""Jobs in which one request is answered. It is charged once, and each job in which it is answered has an entry of its
own for the receipt: without a bound a bank would grow the ledger by as much as it has ever asked, with every job."""
_CHUNK = 4_096  # elements that one worker takes at a time: about a fifth of a second's work


class MatchingService:
    """What a bank may ask in matching. Safe to use from several threads.

    ``crew`` lends the workers that evaluate bytes from banks, by the number of elements.
    """

    def __init__(
        self,
        store: Database,
        keys: BureauKeys,
        indexes: ContractIndexes,
        passage: AccessControl,
        consents: ConsentService,
        crew: Callable[[int], AbstractContextManager[ComputePool]],
    ) -> None:
        self._store, self._keys, self._indexes = store, keys, indexes
        self._passage, self._consents, self._crew = passage, consents, crew

    def setup(self, contract_id: str, job_id: str, now: datetime, *, counting: bool = False) -> bytes:
        """The manifest of the set-up as register and consents stand now.

        Raises what ``AccessControl.enter`` raises, and ``Busy`` while a large register is prepared.
        """
        passed, which = self._which(contract_id, job_id, now, counting)
        index = self._indexes.get_or_make(which)
        with self._store.begin() as session:
            # Preparing may have taken long: what was stopped meanwhile is not given out.
            self._enter(session, contract_id, job_id, now, counting)
            facts: dict[str, Fact] = {
                "job": job_id,
                "register": which.selection.snapshot.name,
                "register_version": which.selection.snapshot.version,
                "entries": index.setup.entries,
                "setup_sha256": index.setup.sha256,
                "counting": counting,
            }
            # Fetched again it is the same, and costs the bank nothing: beyond the first times it is only counted.
            about: dict[str, Fact] = {"setup_sha256": index.setup.sha256, "counting": counting}
            record_or_count(session, "match.setup", contract_id, facts, by=passed.actor, about=about, now=now)
        return index.manifest

    def shard(self, contract_id: str, job_id: str, sha256: str, first: int, count: int, now: datetime) -> bytes:
        """Buckets ``first`` to ``first`` + ``count`` of a set-up, as a frame.

        Raises ``NotFound`` when the set-up is not the present one any more: register or consents have changed.
        """
        index = self._named(contract_id, job_id, sha256, now)
        if first >= index.setup.geometry.buckets or not 1 <= count <= MAX_SHARD_BUCKETS:
            raise InvalidInput(
                f"Wanted 1 to {MAX_SHARD_BUCKETS} buckets of a set-up of {index.setup.geometry.buckets}; "
                "found other numbers.",
                next_step="ask for buckets that the manifest names",
            )
        return pack_shard(sha256, first, index.buckets(first, count))

    def delta(self, contract_id: str, job_id: str, sha256: str, since: str, now: datetime) -> bytes:
        """What leads from the set-up ``since`` to the present one, as a frame; raises ``NotFound`` if nothing does."""
        return self._indexes.delta(self._named(contract_id, job_id, sha256, now), since, contract_id)

    def evaluate_identifiers(
        self, contract_id: str, job_id: str, request: bytes, now: datetime, *, counting: bool = False
    ) -> RecordedReply:
        """The response frame to blinded identifiers; for counting, in sorted order. With the number of its entry.

        All identifiers of the request are charged before it is evaluated, whether they are in the register or not
        (nobody here can tell), and given back if the evaluation fails or the contract is stopped meanwhile. The same
        bytes again under the contract and epoch are answered again and not charged again: the answer is the same.
        Raises what ``AccessControl.enter`` raises, ``NotAllowed`` at the ceiling, ``InvalidInput`` for a malformed
        request.
        """
        with self._store.begin_read() as session:
            find_version(session, contract_id)  # an unknown contract is NotFound before its request is read
        try:
            count = count_requested_elements(request)
        except ValueError as error:
            raise _unacceptable(error) from None
        if counting and count < MIN_COUNT_IDENTIFIERS + MIN_CANARIES:
            raise NotAllowed(
                f"Counting takes at least {MIN_COUNT_IDENTIFIERS} identifiers and their {MIN_CANARIES} "
                f"canaries; {count} were "
                "asked in all.",
                next_step="count a larger portfolio: the count of a few would tell of each",
            )
        digest = hashlib.sha256(request).hexdigest()
        facts: dict[str, Fact] = {
            "job": job_id,
            "identifiers": count,
            "request_sha256": digest,
            "counting": counting,
        }
        with self._store.begin() as session:
            passed = self._enter(session, contract_id, job_id, now, counting, identifiers=count, lock=True)
            key = (contract_id, passed.job.epoch, digest, counting)
            again = session.get(MatchRequestRow, key) is not None
            if again:
                _check_answers(session, key, job_id)
                about: dict[str, Fact] = {"counting": counting}
                record_or_count(session, "match.repeated", contract_id, facts, by=passed.actor, about=about, now=now)
            else:
                check_refund_limit(session, contract_id, now)
                charge_identifiers(session, passed.contract, count)
                session.add(_row(passed, job_id, digest, counting, count, now))
                session.flush()
                record(session, "match.charged", contract_id, facts, by=passed.actor)
        try:
            evaluated = self._evaluate(passed, request, matching_operation(counting))
            response = pack_response(passed.contract.engine, evaluated, counting=counting)
            with self._store.begin() as session:
                self._enter(session, contract_id, job_id, now, counting, lock=True)
                row = session.get(MatchRequestRow, key)
                if row is None:  # the same bytes failed beside this request, and their charge was given back
                    raise Unreachable("The evaluation of this request was given up.", next_step="send it again")
                row.answered_at = row.answered_at or now
                session.flush()
                entry = _entry_of(session, (*key, job_id), response, facts, by=passed.actor)
        except Exception as error:
            if not again:
                self._give_back(contract_id, key, count, facts, error, now)
            if isinstance(error, ValueError):
                raise _unacceptable(error) from None
            raise
        return RecordedReply(response, entry)

    def _evaluate(self, passed: AccessGrant, request: bytes, operation: Kind) -> NDArray[np.uint8]:
        engine, contract, epoch = passed.contract.engine, passed.contract.id, passed.job.epoch
        blinded = read_request(engine, request, ceiling=passed.contract.ceilings.identifiers_per_match)

        def evaluate(key: bytes) -> list[NDArray[np.uint8]]:
            rows = ((engine, key, blinded[start : start + _CHUNK]) for start in range(0, len(blinded), _CHUNK))
            with self._crew(len(blinded)) as crew:
                return list(crew.map(evaluate_elements, rows))

        try:
            parts = self._keys.with_matching_key(engine, epoch, contract, operation, evaluate)
            return np.concatenate([blinded[:0], *parts])
        except ComputePoolError as error:
            raise Unreachable(str(error), next_step="send it again; the bureau's operator has to look") from None

    def _give_back(
        self,
        contract_id: str,
        key: tuple[str, int, str, bool],
        count: int,
        facts: dict[str, Fact],
        error: Exception,
        now: datetime,
    ) -> None:
        with self._store.begin() as session:
            lock_contract(session, contract_id)
            row = session.get(MatchRequestRow, key)
            if row is not None and row.answered_at is None:
                session.delete(row)
                session.flush()
                refund_identifiers(session, contract_id, count)
                count_refund(session, contract_id, error, now)
                record(session, "match.returned", contract_id, facts, by=BUREAU_ACTOR)

    def _named(self, contract_id: str, job_id: str, sha256: str, now: datetime) -> ContractIndex:
        """The present index of that name, for matching or for counting, whichever the contract allows."""
        refusals = []
        for counting in (False, True):
            try:
                _, which = self._which(contract_id, job_id, now, counting)
            except NotAllowed as error:
                refusals.append(error)
                continue
            index = self._indexes.find(which)
            if index is not None and index.setup.sha256 == sha256:
                return index
        if len(refusals) == 2:
            raise refusals[0]
        raise NotFound(
            "The set-up of this name is not the present one: register or consents have changed, or it never was.",
            next_step="fetch the manifest anew",
        )

    def _which(self, contract_id: str, job_id: str, now: datetime, counting: bool) -> tuple[AccessGrant, IndexKey]:
        """Which index is the one, as register and consents stand now."""
        with self._store.begin_read() as session:
            passed = self._enter(session, contract_id, job_id, now, counting)
            snapshot = find_snapshot(session, passed.model_version.register)
            admitted = self._consents.consenting_rows(
                session, snapshot, passed.contract, passed.contract_version.bank_id, now
            )
        use = MatchingKeyScope(contract_id, matching_operation(counting), passed.contract.engine, passed.job.epoch)
        return passed, IndexKey(use, RowSelection(snapshot, admitted), job_id if counting else None)

    def _enter(
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
        return self._passage.authorise_request(
            session, contract_id, operation, job_id, now, identifiers=identifiers, lock=lock
        )


def _check_answers(session: Session, key: tuple[str, int, str, bool], job_id: str) -> None:
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
            next_step="keep the answer, or make the request anew",
        )


def _entry_of(
    session: Session, key: tuple[str, int, str, bool, str], response: bytes, facts: dict[str, Fact], *, by: str
) -> int:
    """The number of the entry that tells of this answer in this job: written once, however often the request is sent,
    so that nobody makes the ledger grow by repeating what costs nothing."""
    contract_id, epoch, request, counting, job_id = key
    digest = hashlib.sha256(response).hexdigest()
    kept = session.get(MatchResponseRow, key)
    if kept is not None and kept.response_sha256 == digest:
        return kept.entry
    told: dict[str, Fact] = {"response_sha256": digest, "epoch": epoch}
    entry = record(session, "match.answered", contract_id, facts | told, by=by).seq
    if kept is None:
        kept = MatchResponseRow(
            contract_id=contract_id, epoch=epoch, request_sha256=request, counting=counting, job_id=job_id
        )
        session.add(kept)
    kept.response_sha256, kept.entry = digest, entry
    session.flush()
    return entry


def _row(passed: AccessGrant, job_id: str, digest: str, counting: bool, count: int, now: datetime) -> MatchRequestRow:
    return MatchRequestRow(
        contract_id=passed.contract.id,
        epoch=passed.job.epoch,
        request_sha256=digest,
        job_id=job_id,
        counting=counting,
        identifiers=count,
        charged_at=now,
    )


def _unacceptable(error: ValueError) -> InvalidInput:
    return InvalidInput(f"The matching request is not acceptable: {error}.", next_step="make it again")
