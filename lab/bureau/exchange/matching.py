"""Matching under a contract: the set-up, made once for many banks, and answers to blinded identifiers.

Both belong to a job and use the matching key of its epoch. Where the contract requires consent, the set-up is made of
the consenting enterprises alone, so that another enterprise looks exactly like one that is not in the register.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.consents import Admitted, Consents
from lab.bureau.contracts.cabinet import find
from lab.bureau.exchange.charges import charge_identifiers, return_identifiers
from lab.bureau.exchange.evaluated import EvaluatedRegisters, stem
from lab.bureau.exchange.passage import Passage, Passed
from lab.bureau.exchange.workers import WorkerPool
from lab.bureau.home import BureauHome, write_private
from lab.bureau.keys import BureauKeys
from lab.bureau.ledger import BUREAU, Fact, record
from lab.bureau.register import Snapshot, Snapshots, find_snapshot
from lab.bureau.store import Store
from lab.terms.contract import Operation
from lab.terms.errors import InvalidInput
from protocols.matching.bureau import build_setup, count_request, respond


class Matching:
    """What a bank may ask in matching. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        home: BureauHome,
        keys: BureauKeys,
        snapshots: Snapshots,
        evaluated: EvaluatedRegisters,
        workers: WorkerPool,
        passage: Passage,
        consents: Consents,
    ) -> None:
        self._store, self._home, self._keys = store, home, keys
        self._snapshots, self._evaluated, self._workers = snapshots, evaluated, workers
        self._passage, self._consents = passage, consents
        self._lock = threading.Lock()

    def setup(self, contract_id: str, job_id: str, announced: int, now: datetime) -> bytes:
        """The set-up frame for a query of at most ``announced`` identifiers.

        The number is rounded up to a power of two, so that few set-ups serve all banks and the rate of false positives
        of the whole query can only be better than stated. Raises what ``Passage.enter`` raises.
        """
        with self._store.begin() as session:
            passed = self._enter(session, contract_id, job_id, now, announced=announced)
            snapshot = find_snapshot(session, passed.shelved.register)
            admitted = self._consents.admitted(session, snapshot, passed.contract, passed.held.bank_id, now)
            facts: dict[str, Fact] = {
                "job": job_id,
                "announced": announced,
                "register": snapshot.name,
                "register_version": snapshot.version,
            }
            record(session, "match.setup", contract_id, facts, by=passed.by)
        frame = self._setup(snapshot, passed, admitted, 1 << (announced - 1).bit_length())
        self._check_still(contract_id, job_id, now)
        return frame

    def answer(self, contract_id: str, job_id: str, request: bytes, now: datetime) -> bytes:
        """The response frame to blinded identifiers.

        All identifiers of the request are charged before it is evaluated, whether they are in the register or not
        (nobody here can tell), and given back if the evaluation fails or the contract is stopped meanwhile. Raises what
        ``Passage.enter`` raises, ``Refused`` at the ceiling, ``InvalidInput`` for a malformed request.
        """
        with self._store.read() as session:
            find(session, contract_id)  # an unknown contract is NotFound before its request is read
        try:
            count = count_request(request)
        except ValueError as error:
            raise InvalidInput(f"The matching request is not acceptable: {error}.", next_step="make it again") from None
        facts: dict[str, Fact] = {
            "job": job_id,
            "identifiers": count,
            "request_sha256": hashlib.sha256(request).hexdigest(),
        }
        with self._store.begin() as session:
            passed = self._enter(session, contract_id, job_id, now, identifiers=count)
            charge_identifiers(session, passed.contract, count)
            record(session, "match.charged", contract_id, facts, by=passed.by)
        contract = passed.contract
        try:
            response = self._keys.with_matching_key(
                contract.engine,
                passed.job.epoch,
                lambda key: self._workers.run(
                    respond, contract.engine, key, request, ceiling=contract.ceilings.identifiers_per_match
                ),
            )
            self._check_still(contract_id, job_id, now)
        except Exception as error:
            with self._store.begin() as session:
                return_identifiers(session, contract_id, count)
                record(session, "match.returned", contract_id, facts, by=BUREAU)
            if isinstance(error, ValueError):
                raise InvalidInput(
                    f"The matching request is not acceptable: {error}.", next_step="make it again"
                ) from None
            raise
        return response

    def _enter(
        self,
        session: Session,
        contract_id: str,
        job_id: str,
        now: datetime,
        *,
        identifiers: int | None = None,
        announced: int | None = None,
    ) -> Passed:
        return self._passage.enter(
            session,
            contract_id,
            Operation.MATCH,
            job_id,
            now,
            identifiers=identifiers,
            announced=announced,
            lock=True,
        )

    def _check_still(self, contract_id: str, job_id: str, now: datetime) -> None:
        """What took long may have been stopped meanwhile; then it is not given out."""
        with self._store.read() as session:
            self._passage.enter(session, contract_id, Operation.MATCH, job_id, now)

    def _setup(self, snapshot: Snapshot, passed: Passed, admitted: Admitted | None, announced: int) -> bytes:
        engine, epoch = passed.contract.engine, passed.job.epoch
        who = f"-{admitted.digest[:16]}" if admitted is not None else ""
        path = self._home.path(f"{stem(snapshot, engine, epoch)}{who}.setup-{announced}")
        with self._lock:
            if path.is_file():
                return path.read_bytes()
            identifiers = self._snapshots.identifiers(snapshot)
            values = self._evaluated.values(snapshot, engine, epoch)
            if admitted is not None:
                identifiers = [identifiers[row] for row in admitted.rows.tolist()]
                values = values[admitted.rows]
            frame = self._keys.with_matching_key(
                engine, epoch, lambda key: build_setup(engine, key, identifiers, announced=announced, values=values)
            )
            write_private(path, frame)
            return frame
