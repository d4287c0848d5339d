"""Matching under a contract: the set-up, made once for many banks, and answers to blinded identifiers."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts import Ask, authorise
from lab.bureau.contracts.cabinet import find
from lab.bureau.exchange.charges import charge_identifiers, return_identifiers
from lab.bureau.exchange.evaluated import EvaluatedRegisters
from lab.bureau.exchange.workers import WorkerPool
from lab.bureau.home import BureauHome, write_private
from lab.bureau.keys import EPOCH, BureauKeys
from lab.bureau.ledger import Fact, record
from lab.bureau.register import Snapshot, Snapshots, find_snapshot
from lab.bureau.shelf import find_model
from lab.bureau.store import Store
from lab.terms.contract import Contract, Operation
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
    ) -> None:
        self._store, self._home, self._keys = store, home, keys
        self._snapshots, self._evaluated, self._workers = snapshots, evaluated, workers
        self._lock = threading.Lock()

    def setup(self, contract_id: str, announced: int, now: datetime) -> bytes:
        """The set-up frame for a query of at most ``announced`` identifiers.

        The number is rounded up to a power of two, so that few set-ups serve all banks and the rate of false positives
        of the whole query can only be better than stated. Raises what ``authorise`` raises.
        """
        with self._store.begin() as session:
            signed = authorise(session, contract_id, Operation.MATCH, Ask(announced=announced), now)
            snapshot = _register_of(session, signed.contract)
            facts: dict[str, Fact] = {
                "announced": announced,
                "register": snapshot.name,
                "register_version": snapshot.version,
            }
            record(session, "match.setup", contract_id, facts)
        return self._setup(snapshot, signed.contract.engine, 1 << (announced - 1).bit_length())

    def answer(self, contract_id: str, request: bytes, now: datetime) -> bytes:
        """The response frame to blinded identifiers.

        All identifiers of the request are charged before it is evaluated, whether they are in the register or not
        (nobody here can tell), and given back if the evaluation fails. Raises what ``authorise`` raises, ``Refused`` at
        the ceiling, ``InvalidInput`` for a malformed request.
        """
        with self._store.read() as session:
            find(session, contract_id)  # an unknown contract is NotFound before its request is read
        try:
            count = count_request(request)
        except ValueError as error:
            raise InvalidInput(f"The matching request is not acceptable: {error}.", next_step="make it again") from None
        digest = hashlib.sha256(request).hexdigest()
        with self._store.begin() as session:
            contract = authorise(session, contract_id, Operation.MATCH, Ask(identifiers=count), now).contract
            charge_identifiers(session, contract, count)
            record(session, "match.charged", contract_id, {"identifiers": count, "request_sha256": digest})
        try:
            return self._keys.with_matching_key(
                contract.engine,
                lambda key: self._workers.run(
                    respond, contract.engine, key, request, ceiling=contract.ceilings.identifiers_per_match
                ),
            )
        except Exception as error:
            with self._store.begin() as session:
                return_identifiers(session, contract_id, count)
                record(session, "match.returned", contract_id, {"identifiers": count, "request_sha256": digest})
            if isinstance(error, ValueError):
                raise InvalidInput(
                    f"The matching request is not acceptable: {error}.", next_step="make it again"
                ) from None
            raise

    def _setup(self, snapshot: Snapshot, engine: str, announced: int) -> bytes:
        path = self._home.path(
            f"evaluated/{snapshot.name}-{snapshot.version}-{snapshot.sha256[:12]}-{engine}-{EPOCH}.setup-{announced}"
        )
        with self._lock:
            if path.is_file():
                return path.read_bytes()
            identifiers = self._snapshots.identifiers(snapshot)
            values = self._evaluated.values(snapshot, engine)
            frame = self._keys.with_matching_key(
                engine, lambda key: build_setup(engine, key, identifiers, announced=announced, values=values)
            )
            write_private(path, frame)
            return frame


def _register_of(session: Session, contract: Contract) -> Snapshot:
    """The newest version of the register that the contract's model reads."""
    return find_snapshot(session, find_model(session, contract.model.name, contract.model.version).register)
