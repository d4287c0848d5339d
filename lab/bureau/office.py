"""The bureau's office: the one door through which the service and the command line come in.

Everything here blocks and is safe to call from several threads. Refusals are written to the ledger here, in a
transaction of their own, because the refused one was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from lab.bureau.contracts import cabinet
from lab.bureau.exchange import Matching, Scoring, WorkerPool
from lab.bureau.exchange.charges import used
from lab.bureau.exchange.evaluated import EvaluatedRegisters
from lab.bureau.home import BureauHome
from lab.bureau.keys import BureauKeys
from lab.bureau.ledger import Receipt, record
from lab.bureau.people import People
from lab.bureau.register import Snapshots
from lab.bureau.shelf import Shelf
from lab.bureau.store import Store, migrate, open_store
from lab.bureau.store.tables import ContractRow, NonceRow
from lab.terms.contract import Party, SignedContract
from lab.terms.errors import NotAuthentic, Refused, ShulabError, Unreachable
from protocols.matching.bureau import ENGINES
from protocols.scoring.params import PARAMETERS

API = "1"
# Twice the age at which a signed request is refused anyhow, so that clocks may differ.
NONCE_KEPT = timedelta(seconds=1200)


class Bureau:
    """An open bureau: its home, store, keys and rooms. Close it when done."""

    def __init__(self, home: BureauHome, store: Store, keys: BureauKeys, clock: Callable[[], datetime]) -> None:
        self.home, self.store, self.keys = home, store, keys
        self.now = clock
        self.people = People(store, clock)
        self.snapshots = Snapshots(home)
        self.shelf = Shelf(home)
        self.evaluated = EvaluatedRegisters(store, home, keys, self.snapshots)
        settings = home.settings
        self._workers = WorkerPool(
            settings.workers, job_seconds=settings.job_seconds, memory_mib=settings.worker_memory_mib
        )
        self._matching = Matching(store, home, keys, self.snapshots, self.evaluated, self._workers)
        self._scoring = Scoring(store, home, self.shelf, self.snapshots, self.evaluated, self._workers)

    @classmethod
    def create(cls, home: Path, *, name: str, database_url: str = "", key_file: Path | None = None) -> Bureau:
        """Make a bureau: folder, keys, database. Raises ``Conflict`` if one lives in ``home`` already."""
        made = BureauHome.create(home, name=name, database_url=database_url, key_file=key_file)
        BureauKeys.create(made)
        return cls.open(home)

    @classmethod
    def open(cls, home: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Bureau:
        """Open the bureau in ``home`` and bring its database to the present tables.

        Raises ``NotFound`` (no bureau there), ``NotAuthentic`` (wrong seal key), ``Unreachable`` (database down).
        """
        found = BureauHome.open(home)
        keys = BureauKeys.open(found)
        store = open_store(found.database_url)
        migrate(store.engine)
        store.sign, store.bureau_key = keys.sign, keys.public_key_hex
        return cls(found, store, keys, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers after their jobs and close the database."""
        self._workers.close()
        self.store.close()

    def warm(self) -> None:
        """Start the workers now instead of at the first request."""
        self._workers.warm()

    @property
    def party(self) -> Party:
        """The bureau as a party of contracts."""
        return Party(name=self.home.settings.name, public_key=self.keys.public_key_hex)

    def identity(self) -> dict[str, Any]:
        """The bureau's card: name, public key, engines, parameter sets, version of the interface."""
        return {
            "name": self.party.name,
            "public_key": self.party.public_key,
            "api": API,
            "engines": list(ENGINES),
            "parameters": list(PARAMETERS),
        }

    def ready(self) -> dict[str, Any]:
        """Whether the bureau can work now; raises ``Unreachable`` if the database does not answer."""
        if not self.store.answers():
            raise Unreachable("The bureau's database does not answer.", next_step="start it, or correct database_url")
        return {"ready": True, "database": self.store.engine.dialect.name}

    def signed_contract(self, contract_id: str) -> tuple[SignedContract, str]:
        """A contract and its state; a term that is over reads as expired. Raises ``NotFound``."""
        with self.store.read() as session:
            held = cabinet.find(session, contract_id)
        return held.signed, cabinet.standing(held, self.now()).value

    def accept_signature(self, contract_id: str, signature: str) -> None:
        """Keep the bank's countersignature; raises ``NotFound``, ``NotAuthentic`` or ``Conflict``."""
        with self.store.begin() as session:
            cabinet.accept_bank_signature(session, contract_id, signature, self.now())

    def sheet(self, contract_id: str) -> bytes:
        """The model's sheet under a contract in force."""
        with self._refusals(contract_id, "sheet"):
            return self._scoring.sheet(contract_id, self.now())

    def allowance(self, contract_id: str) -> dict[str, Any]:
        """What is used and left.

        ``identifiers``: of the whole contract. ``scores``: of the enterprise that was scored most often, because that
        ceiling is for each enterprise; ``total`` and ``enterprises`` are counts without a ceiling.
        """
        with self.store.read() as session:
            ceilings = cabinet.find(session, contract_id).contract.ceilings
            so_far = used(session, contract_id)
        return {
            "identifiers": _count(ceilings.identifiers, so_far.identifiers),
            "scores": _count(ceilings.scores_per_enterprise, so_far.most_scored)
            | {"total": so_far.scores, "enterprises": so_far.enterprises},
        }

    def matching_setup(self, contract_id: str, announced: int) -> bytes:
        """The matching set-up frame for at most ``announced`` identifiers."""
        with self._refusals(contract_id, "matching-setup"):
            return self._matching.setup(contract_id, announced, self.now())

    def match(self, contract_id: str, body: bytes) -> bytes:
        """The answer to a matching request frame."""
        with self._refusals(contract_id, "match"):
            return self._matching.answer(contract_id, body, self.now())

    def put_context(self, contract_id: str, sha256: str, body: bytes) -> bool:
        """Keep a public context frame; True if it is new."""
        with self._refusals(contract_id, "put-context"):
            return self._scoring.put_context(contract_id, sha256, body, self.now())

    def has_context(self, contract_id: str, sha256: str) -> bool:
        """Whether a context is held."""
        with self._refusals(contract_id, "has-context"):
            return self._scoring.has_context(contract_id, sha256, self.now())

    def score(self, contract_id: str, body: bytes) -> tuple[bytes, Receipt]:
        """The reply frame to a batch frame, and the receipt."""
        with self._refusals(contract_id, "score"):
            return self._scoring.score(contract_id, body, self.now())

    def note_nonce(self, key: str, nonce: str, now: datetime) -> None:
        """Remember the nonce of a signed request; raises ``NotAuthentic`` if it was used before."""
        if len(key) != 64 or not 1 <= len(nonce) <= 200:
            raise NotAuthentic("Wanted a key and a nonce of 1 to 200 characters.", next_step="sign the request again")
        try:
            with self.store.begin() as session:
                session.execute(delete(NonceRow).where(NonceRow.seen_at < now - NONCE_KEPT))
                session.add(NonceRow(key=key, nonce=nonce, seen_at=now))
        except IntegrityError:
            raise NotAuthentic("This request was received before.", next_step="sign each request afresh") from None

    def record_refusal(self, contract_id: str, operation: str, error: ShulabError) -> None:
        """Write down that something was refused outside this office, for example a signature that does not verify."""
        with self.store.begin() as session:
            # The id comes from a stranger; only one that exists goes into the ledger as such.
            known = session.get(ContractRow, contract_id) is not None
            if known:
                cabinet.note_expiry(session, contract_id, self.now())
            facts = {"operation": operation, "error": error.code, "detail": error.detail}
            record(session, "refused", contract_id if known else None, facts)

    @contextmanager
    def _refusals(self, contract_id: str, operation: str) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            self.record_refusal(contract_id, operation, error)
            raise


def _count(ceiling: int, so_far: int) -> dict[str, int]:
    return {"ceiling": ceiling, "used": so_far, "left": max(ceiling - so_far, 0)}
