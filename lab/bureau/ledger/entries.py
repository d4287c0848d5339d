"""Writing ledger entries, each in the transaction of the change that it records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from lab.bureau.store.tables import LedgerEntryRow, LedgerSizeRow
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.tree import Fact, LedgerEntry, encode_entry, entry_signing_input, hash_leaf

LOCAL_ACTOR, BUREAU_ACTOR = "local", "bureau"
"""Actors that are neither a bank nor a person: a command on the bureau's machine, and the service itself."""
_ACTOR = re.compile(r"local|bureau|(bank|person):[^\s:]{1,100}")
# Without the mapper, which takes three times as long: every response to a bank waits for an entry.
_NEXT = update(LedgerSizeRow).values(size=LedgerSizeRow.size + 1).returning(LedgerSizeRow.size)
_INSERT = insert(LedgerEntryRow)
_CODE_PATTERN = re.compile(r"(?<![0-9A-Z])[0-9A-HJ-NPQRTUWXY]{18}(?![0-9A-Z])", re.IGNORECASE)


def record(session: Session, kind: str, contract: str | None, facts: Mapping[str, Fact], *, by: str) -> LedgerEntry:
    """Append an entry in ``session``'s transaction, which also makes the change that the entry records.

    ``kind`` is one of ``lab.terms.ledger.entry_kinds``. ``by`` is the actor: ``bank:<id>``, ``person:<account>``,
    ``local`` (a command on the bureau's machine) or ``bureau`` (the service itself). Raises ``InvalidInput`` when a
    text among the facts contains a unified social credit code, as a typed reason may.

    Call it last in the transaction: it locks the ledger for all other writers, and waiting for another lock meanwhile
    could cause a deadlock.
    """
    if kind not in ENTRY_KINDS:
        raise ValueError(f"{kind!r} is not a kind of entry; lab.terms.ledger.entry_kinds lists them")
    if not _ACTOR.fullmatch(by):
        raise ValueError("an entry is by bank:<id>, person:<account>, local or bureau")
    sign = session.info.get("sign")
    if sign is None:
        raise RuntimeError("this session has no signing key, so it can record nothing; sessions come from Store.begin")
    _check(facts)
    session.flush()
    connection = session.connection()
    seq: int = connection.execute(_NEXT).scalar_one()
    time = datetime.now(UTC)
    body = encode_entry(seq, time, kind, contract, facts, by)
    leaf = hash_leaf(body).hex()
    signature: str = sign(entry_signing_input(body)).hex()
    row = {"seq": seq, "time": time, "kind": kind, "contract_id": contract, "body": body.decode()}
    connection.execute(_INSERT, row | {"leaf": leaf, "signature": signature})
    return LedgerEntry(seq, time, kind, contract, by, dict(facts), leaf)


def _check(facts: Mapping[str, Fact]) -> None:
    """Facts are hashes, counts and names; texts that a person typed are searched for codes."""
    for name, fact in facts.items():
        if names_enterprise(_texts_of(name, fact)):
            raise InvalidInput(
                "The text holds an enterprise's code, and the ledger keeps none.",
                next_step="write it without the code",
            )


def names_enterprise(texts: Iterable[str]) -> bool:
    """Whether one of the texts holds a unified social credit code."""
    found = [code for text in texts for code in _CODE_PATTERN.findall(text)]
    return bool(found) and normalise_identifiers(found, "uscc").accepted_count > 0


def _texts_of(name: str, fact: Fact) -> Sequence[str]:
    if fact is None or isinstance(fact, int):
        return ()
    texts = [fact] if isinstance(fact, str) else fact
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"the fact {name} is not a text, whole number or list of texts")
    return texts


def read_entries(
    session: Session, *, after: int = 0, kind: str | None = None, contract: str | None = None, limit: int = 100
) -> Iterator[LedgerEntryRow]:
    """Entries after number ``after`` in order, at most ``limit``."""
    query = select(LedgerEntryRow).where(LedgerEntryRow.seq > after).order_by(LedgerEntryRow.seq).limit(limit)
    if kind is not None:
        query = query.where(LedgerEntryRow.kind == kind)
    if contract is not None:
        query = query.where(LedgerEntryRow.contract_id == contract)
    yield from session.scalars(query)
