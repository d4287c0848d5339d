"""The bureau's signed statements of its matching keys: one key for a contract, operation, engine and epoch, in its
ledger.

The entry is made when the key is first used for the contract in the epoch, and again when the register's size, rounded,
has become another: every set-up carries the newest statement of its time (``lab.terms.keys.matching_key_statement``). A
bureau that shows two banks, or one bank twice, different keys for the same has signed a contradiction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import find_version
from lab.bureau.data.register import find_snapshot
from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.exchange.matching.row_selection import MatchingKeyScope
from lab.bureau.key_management.keys import BureauKeys
from lab.bureau.ledger import BUREAU_ACTOR, record
from lab.bureau.model_registry.offers import round_up_to_two_digits
from lab.bureau.model_registry.registry import find_model
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.errors import NotAuthentic
from lab.terms.keys.matching_key_statement import MatchingKeyStatement
from protocols.matching.bureau import SignedMatchingKey

STATEMENT_ENTRY_KIND = "match.key"


class KeyStatements:
    """Makes statements and finds those that were made. Safe to use from several threads and processes."""

    def __init__(self, store: Database, keys: BureauKeys) -> None:
        self._store, self._keys = store, keys

    def get_or_make(self, use: MatchingKeyScope) -> SignedMatchingKey:
        """The statement of a key, made and recorded now if there is none yet that gives the register's present size.

        Raises ``NotAllowed`` if the epoch has no key, ``NotAuthentic`` if another key was stated before.
        """
        public_key = self._keys.matching_public_key(use.engine, use.epoch, use.contract, use.operation).hex()
        with self._store.begin() as session:
            lock_contract(session, use.contract)
            entries = _entries(session, use.contract)
            for facts in _stated(session, use):
                if facts["public_key"] != public_key:
                    raise NotAuthentic(
                        f"The ledger states another matching key of contract {use.contract} in epoch {use.epoch} than "
                        "the sealed secrets give.",
                        next_step="bring keys/ and the database back from backups of the same time",
                    )
                if facts["register_entries"] == entries:
                    return _key(public_key, entries, str(facts["signature"]))
                break
            statement = MatchingKeyStatement(
                contract=use.contract,
                operation=use.operation,
                engine=use.engine,
                epoch=use.epoch,
                public_key=public_key,
                register_entries=entries,
            )
            signature = self._keys.sign(statement.signing_input()).hex()
            facts = statement.as_dict() | {"signature": signature}
            del facts["contract"], facts["schema"]  # the entry names the contract, and its kind says what it is
            record(session, STATEMENT_ENTRY_KIND, use.contract, facts, by=BUREAU_ACTOR)
        return _key(public_key, statement.register_entries, signature)


def _stated(session: Session, use: MatchingKeyScope) -> Iterator[dict[str, Any]]:
    """What was stated of this key, the newest statement first."""
    query = select(LedgerEntryRow.body).where(
        LedgerEntryRow.kind == STATEMENT_ENTRY_KIND, LedgerEntryRow.contract_id == use.contract
    )
    wanted = {"operation": use.operation, "engine": use.engine, "epoch": use.epoch}
    for body in session.scalars(query.order_by(LedgerEntryRow.seq.desc())):
        facts = json.loads(body)["facts"]
        if all(facts.get(name) == value for name, value in wanted.items()):
            yield facts


def _entries(session: Session, contract: str) -> int:
    """The size of the largest register that the contract's models read, rounded up as in offers; 0 where consent is
    required: what a bank gets there tells nothing of others than those who consented."""
    document = find_version(session, contract).contract
    if document.consent.required:
        return 0
    registers = {find_model(session, model.name, model.version).register for model in document.models}
    return max(round_up_to_two_digits(find_snapshot(session, register).rows) for register in registers)


def _key(public_key: str, entries: int, signature: str) -> SignedMatchingKey:
    return SignedMatchingKey(bytes.fromhex(public_key), entries, bytes.fromhex(signature))
