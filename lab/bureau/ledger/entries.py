"""Writing and checking ledger entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import rfc8785
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lab.bureau.store.tables import EntryRow, LedgerSizeRow
from lab.terms.errors import InvalidInput

Fact: TypeAlias = str | int | bool | Sequence[str] | None
"""What a ledger entry may hold: names, hashes, counts; floats and nested data have no place in it."""

SCHEMA = "shulab-entry/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its number (from 1, without gaps), when, what, under which contract, and the hash of all that."""

    seq: int
    time: datetime
    kind: str
    contract: str | None
    facts: Mapping[str, Fact]
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a bank gets beside a reply: the ledger entry that its batch was charged in, and what answered it.

    The first form of a receipt: it is not signed by itself, and names the entry by number and hash.
    """

    contract: str
    batch_sha256: str
    reply_sha256: str
    rows: int
    register: str
    register_version: int
    model: str
    model_version: int
    entry: int
    entry_sha256: str

    def as_dict(self) -> dict[str, str | int]:
        """The receipt as JSON members."""
        return asdict(self)


def record(session: Session, kind: str, contract: str | None, facts: Mapping[str, Fact], *, by: str) -> Entry:
    """Append an entry in ``session``'s transaction, which also makes the change that the entry tells of.

    ``by`` is who did it: ``bank:<id>``, ``person:<account>``, ``local`` (a command on the bureau's machine) or
    ``bureau`` (the service itself).

    Call it last in the transaction: it takes the lock that puts all writers of the ledger in a line, and holding it
    while waiting for another lock could stop both. The hash covers the RFC 8785 form of the whole entry.
    """
    size = session.execute(update(LedgerSizeRow).values(size=LedgerSizeRow.size + 1).returning(LedgerSizeRow.size))
    seq = size.scalar_one()
    time = datetime.now(UTC)
    body = _canonical(seq, time, kind, contract, facts)
    digest = hashlib.sha256(body).hexdigest()
    session.add(EntryRow(seq=seq, time=time, kind=kind, contract_id=contract, body=body.decode(), sha256=digest))
    session.flush()
    return Entry(seq, time, kind, contract, dict(facts), digest)


def verify_entries(session: Session) -> int:
    """Check that entries are numbered without gaps and that every hash fits; returns their number.

    Raises ``InvalidInput`` naming the first entry that does not fit.
    """
    expected = 0
    for row in session.scalars(select(EntryRow).order_by(EntryRow.seq)):
        expected += 1
        body = json.loads(row.body)
        told = (body.get("seq"), body.get("kind"), body.get("contract"))
        fits = hashlib.sha256(row.body.encode()).hexdigest() == row.sha256
        if row.seq != expected or not fits or told != (row.seq, row.kind, row.contract_id):
            raise InvalidInput(
                f"Ledger entry {expected} is missing or was altered.", next_step="compare with a copy of the database"
            )
    size = session.get(LedgerSizeRow, 1)
    if size is None or size.size != expected:
        raise InvalidInput(f"The ledger ends early: {expected} entries are left.", next_step="compare with a copy")
    return expected


def _canonical(seq: int, time: datetime, kind: str, contract: str | None, facts: Mapping[str, Fact]) -> bytes:
    listed = {name: list(fact) if isinstance(fact, (list, tuple)) else fact for name, fact in facts.items()}
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "seq": seq,
        "time": time.isoformat(timespec="microseconds"),
        "kind": kind,
        "contract": contract,
        "facts": listed,
    }
    return rfc8785.dumps(entry)
