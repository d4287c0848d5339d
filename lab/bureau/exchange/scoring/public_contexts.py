"""Public contexts of banks: parsed in a worker, stored in a file named by their hash, under the contract they are for.

A context that was checked by earlier rules counts as not stored: the bank sends it again, and it is checked again. So
does one whose file is lost or damaged, whatever the database says of it.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.exchange.refusals import records_refusals
from lab.bureau.exchange.resources import ExchangeResources
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import ContextRow
from lab.bureau.workers.pool import WorkerPool
from lab.disk.private_files import replace_private
from lab.terms.contract.document import Operation
from lab.terms.errors import InvalidInput, NotAllowed, NotFound
from protocols.scoring.bureau import CONTEXT_RULES_VERSION, SecretKeyInContext, check_context
from protocols.scoring.parameters import find_parameters

MAX_CONTEXTS = 16
"""Contexts stored at once under a contract. A bank has one for each parameter set, and another when it makes new keys;
each takes 2 MiB of the bureau's disk that nothing else bounds."""


class ContextStore:
    """A bank's public contexts. Safe to use from several threads."""

    def __init__(self, resources: ExchangeResources, workers: WorkerPool) -> None:
        self._store, self._home, self._access = resources.store, resources.home, resources.access
        self._workers, self._now, self.refusals = workers, resources.clock, resources.refusals

    @records_refusals("has-context")
    def has(self, contract_id: str, job_id: str, sha256: str) -> bool:
        """Whether this context is stored under the contract. Raises what ``AccessControl.authorise_request`` raises."""
        with self._store.begin_read() as session:
            self._access.authorise_request(session, contract_id, Operation.SCORE, job_id, self._now())
            return has_intact_context(self._home, session, contract_id, sha256)

    @records_refusals("put-context")
    def put(self, contract_id: str, job_id: str, sha256: str, frame: bytes) -> bool:
        """Store a public context; True if it is new, False if it was stored already.

        A worker parses it first. Raises what ``AccessControl.authorise_request`` raises; ``NotAllowed`` for a context
        with a secret key in it (which is not stored) or for one too many; ``InvalidInput`` for a wrong hash, other
        parameters, a parameter set that is not offered, or a context that does not parse.
        """
        now = self._now()
        with self._store.begin_read() as session:
            contract = self._access.authorise_request(
                session, contract_id, Operation.SCORE, job_id, self._now()
            ).contract
            if has_intact_context(self._home, session, contract_id, sha256):
                return False
        if hashlib.sha256(frame).hexdigest() != sha256:
            raise InvalidInput("The context's hash is not the one it was sent under.", next_step="send it again")
        params = find_parameters(contract.parameters)
        try:
            self._workers.run(check_context, frame, params)
        except SecretKeyInContext as error:
            raise NotAllowed(
                f"{_sentence(error)}.", next_step="make new keys at the bank; these are compromised"
            ) from None
        except ValueError as error:
            raise InvalidInput(
                f"The context is not acceptable: {error}.", next_step="send a context of the contract's parameters"
            ) from None
        file = f"contexts/{sha256}.frame"
        with self._store.begin() as session:
            access = self._access.authorise_request(session, contract_id, Operation.SCORE, job_id, now, lock=True)
            if has_intact_context(self._home, session, contract_id, sha256):
                return False
            if find_context(session, contract_id, sha256) is None:
                _check_number(session, contract_id)
            # Written under the lock, so that a sweep that removes the same file for its age runs before or after.
            replace_private(self._home.path(file), frame)
            row = ContextRow(
                contract_id=contract_id, sha256=sha256, file=file, size=len(frame), rules=CONTEXT_RULES_VERSION
            )
            row.received_at = now
            session.merge(row)  # replaces one that earlier rules accepted, or whose file was damaged
            session.flush()
            facts: dict[str, Fact] = {"job": job_id, "context_sha256": sha256, "bytes": len(frame)}
            record(session, "context.kept", contract_id, facts, by=access.actor)
        return True


def find_context(session: Session, contract_id: str, sha256: str) -> ContextRow | None:
    """A context that the present rules accepted, or None."""
    row = session.get(ContextRow, (contract_id, sha256))
    return row if row is not None and row.rules == CONTEXT_RULES_VERSION else None


def has_intact_context(home: BureauHome, session: Session, contract_id: str, sha256: str) -> bool:
    """Whether a context that the present rules accepted is stored, and its file is as it was sent."""
    row = find_context(session, contract_id, sha256)
    return row is not None and read_context(home, row.file, sha256) is not None


def read_context(home: BureauHome, file: str, sha256: str) -> bytes | None:
    """The frame of a context; None if its file is lost or damaged."""
    path = home.path(file)
    frame = path.read_bytes() if path.is_file() else b""
    return frame if hashlib.sha256(frame).hexdigest() == sha256 else None


def context_not_stored() -> NotFound:
    """The error for a batch under a context that is not stored."""
    return NotFound("The batch names a context that the bureau does not have.", next_step="send the context first")


def _check_number(session: Session, contract_id: str) -> None:
    """Raise ``NotAllowed`` when a contract has ``MAX_CONTEXTS`` contexts. Call it with the contract locked."""
    of_now = (ContextRow.contract_id == contract_id, ContextRow.rules == CONTEXT_RULES_VERSION)
    held = session.scalar(select(func.count()).where(*of_now)) or 0
    if held >= MAX_CONTEXTS:
        raise NotAllowed(
            f"As many contexts are held under contract {contract_id} as may be ({MAX_CONTEXTS}).",
            next_step="use one of those that were sent; they are removed when the contract's retention is over",
        )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
