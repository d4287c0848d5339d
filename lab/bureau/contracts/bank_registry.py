"""The registered banks for the service and the commands: each operation in a session of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from lab.bureau.contracts.banks import (
    BankKey,
    RegisteredBank,
    add_key_from_card,
    find_bank,
    find_bank_by_key,
    list_banks,
    replace_key,
    revoke_key,
)
from lab.bureau.ledger import record
from lab.bureau.people.permissions import AccountHolder, Permission
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow
from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.key_succession import SignedKeySuccession
from lab.terms.keys.party import Party

ENDED_KEY_RECORD_INTERVAL = timedelta(minutes=10)


class BankRegistry:
    """The banks of a bureau, for the service and the commands. Safe to use from several threads."""

    def __init__(self, store: Database, bureau_key: str, clock: Callable[[], datetime]) -> None:
        self._store, self._bureau_key, self._now = store, bureau_key, clock
        self._recorded: dict[str, datetime] = {}

    def find_by_key(self, key: str) -> tuple[RegisteredBank, BankKey] | None:
        """The bank that the key belongs or belonged to, and the key; None for an unknown key."""
        with self._store.begin_read() as session:
            found = find_bank_by_key(session, key)
            bank = find_bank(session, found[0]) if found else None
        return (bank, next(one for one in bank.keys if one.public_key == key)) if bank else None

    def find_id_by_contract(self, contract_id: str) -> str | None:
        """The id of the bank whose contract it is; None if there is no such contract."""
        with self._store.begin_read() as session:
            return session.scalar(select(ContractRow.bank_id).where(ContractRow.id == contract_id))

    def record_ended_key_use(self, bank_id: str, key: BankKey, contract_id: str | None = None) -> None:
        """Record the use of a key that is no longer accepted, at most once in ten minutes for each key, so that a thief
        of a key cannot make the ledger grow."""
        now = self._now()
        if key.public_key in self._recorded and now - self._recorded[key.public_key] < ENDED_KEY_RECORD_INTERVAL:
            return
        self._recorded[key.public_key] = now
        facts = {"operation": "sign", "error": NotAuthentic.code, "key": key.public_key, "key_state": key.state.value}
        with self._store.begin() as session:
            record(session, "refused", contract_id, facts, by=f"bank:{bank_id}")

    def list_banks(self, *, after: str | None = None, limit: int | None = None) -> list[RegisteredBank]:
        """Banks, by name; ``after`` and ``limit`` as ``lab.bureau.contracts.banks.list_banks``."""
        with self._store.begin_read() as session:
            return list_banks(session, after=after, limit=limit)

    def find(self, bank_id: str) -> RegisteredBank:
        """One bank; raises ``NotFound``."""
        with self._store.begin_read() as session:
            return find_bank(session, bank_id)

    def replace_key(self, bank_id: str, signed: SignedKeySuccession) -> None:
        """Replace a bank's key by its next one; raises what ``replace_key`` raises."""
        if signed.statement.bureau != self._bureau_key:
            raise InvalidInput(
                "Expected a statement of succession made for this bureau; found another's.",
                next_step="run `lab bank rotate-key` again",
            )
        with self._store.begin() as session:
            replace_key(session, bank_id, signed, now=self._now())

    def revoke_key(self, key: str, reason: str, *, by: AccountHolder | str) -> RegisteredBank:
        """Revoke a key; raises ``NotFound``, and ``NotAllowed`` for a person without the permission."""
        with self._store.begin() as session:
            return find_bank(session, revoke_key(session, key, reason, by=_who(by), now=self._now()))

    def add_key(self, party: Party, *, by: AccountHolder | str, fingerprint: str | None = None) -> RegisteredBank:
        """Add a key for a known bank; raises what ``add_key_from_card`` raises, and ``NotAllowed``."""
        with self._store.begin() as session:
            return find_bank(
                session, add_key_from_card(session, party, by=_who(by), now=self._now(), fingerprint=fingerprint)
            )


def _who(by: AccountHolder | str) -> str:
    if isinstance(by, str):
        return by
    by.check_permission(Permission.REVOKE_BANK_KEYS)
    return by.actor
