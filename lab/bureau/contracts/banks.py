"""The registered banks and their keys.

A bank keeps its id while its keys change. A key is ``active``; or ``succeeded`` by the next one, and accepted for
another day (``KEY_GRACE_PERIOD``), so that a job in progress is not cut off; or ``revoked``, and refused at once. A
contract stays signed when its key is succeeded or revoked: the ledger proves that the signature came before.

All functions run in the caller's session; ``bank_registry`` opens sessions for the service and the commands.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.ledger import record
from lab.bureau.store.tables import BankKeyRow, BankRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.keys.key_succession import SignedKeySuccession
from lab.terms.keys.party import Party
from lab.terms.text.visible_line import check_visible_line

KEY_GRACE_PERIOD = timedelta(hours=24)
"""How long a key is accepted after the next one replaced it."""
MAX_STATEMENT_AGE = timedelta(minutes=10)
"""The largest difference between the time in a succession statement and the bureau's clock."""
MAX_KEYS_PER_DAY = 10
"""Keys that a bank may add by itself within 24 hours: each adds a row and a ledger entry that stay."""
_REASON = 500


class BankKeyState(StrEnum):
    """The state of a bank's key."""

    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class BankKey:
    """One key of a bank."""

    public_key: str
    state: BankKeyState
    successor: str | None
    added_at: datetime
    ended_at: datetime | None

    def is_accepted(self, now: datetime) -> bool:
        """Whether a request signed with this key is accepted at ``now``."""
        if self.state is BankKeyState.ACTIVE:
            return True
        return (
            self.state is BankKeyState.SUCCEEDED
            and self.ended_at is not None
            and now < self.ended_at + KEY_GRACE_PERIOD
        )


@dataclass(frozen=True, slots=True)
class RegisteredBank:
    """A bank with all its keys, the oldest first."""

    id: str
    name: str
    registered_at: datetime
    keys: tuple[BankKey, ...]


def register_bank(session: Session, party: Party, *, by: str, now: datetime, fingerprint: str | None = None) -> str:
    """Register the bank of this card if it is new; returns its id. The same card again changes nothing.

    ``fingerprint`` is what the bank read out to ``by`` over another channel. A new key needs it, because somebody may
    have replaced the card on its way; the entry records it and who confirmed it.
    Raises ``Conflict`` if the name is another key's, the key another name's, or the key is no longer the bank's;
    ``InvalidInput`` for a new key without a fingerprint or a name that hides something, ``NotAuthentic`` for another
    key's.
    """
    check_visible_line(party.name, "a bank's name")
    row = session.get(BankKeyRow, party.public_key)
    if row is not None:
        bank = _bank(session, row.bank_id)
        if bank.name != party.name:
            raise Conflict(
                f"The key {party.fingerprint} is registered under another name than {party.name}.",
                next_step=f"use the bank's registered name, {bank.name}",
            )
        if row.state != BankKeyState.ACTIVE:
            raise Conflict(
                f"The key {party.fingerprint} of {party.name} was {row.state}; it signs no new contract.",
                next_step="ask the bank for its present card (`lab bank card`)",
            )
        return bank.id
    if session.scalar(select(BankRow.id).where(BankRow.name == party.name)) is not None:
        raise Conflict(
            f"A bank named {party.name} is registered with another key than {party.fingerprint}.",
            next_step="have the bank run `lab bank rotate-key`; if it lost its key, an administrator compares the "
            "fingerprint by telephone and runs `lab bank-key add CARD`",
        )
    _check_fingerprint(fingerprint, party)
    bank_id = f"b-{secrets.token_hex(6)}"
    with _flushed(session):
        session.add(BankRow(id=bank_id, name=party.name, registered_at=now))
        session.flush()  # the key refers to the bank
        session.add(_fresh(party.public_key, bank_id, now))
    facts = {"bank": bank_id, "name": party.name, "key": party.public_key, "fingerprint_told": party.fingerprint}
    record(session, "bank.registered", None, facts, by=by)
    return bank_id


def find_bank_by_key(session: Session, key: str) -> tuple[str, BankKeyState] | None:
    """The id of the bank that the key belongs or belonged to, and the key's state; None for an unknown key."""
    row = session.get(BankKeyRow, key)
    return (row.bank_id, BankKeyState(row.state)) if row is not None else None


def contract_party(session: Session, bank_id: str) -> Party:
    """The bank as a new contract names it: its name, and its newest active key.

    Raises ``NotFound`` for an unknown bank, ``Conflict`` if every key of it was revoked.
    """
    bank = find_bank(session, bank_id)
    active = [key for key in bank.keys if key.state is BankKeyState.ACTIVE]
    if not active:
        raise Conflict(
            f"No key of {bank.name} is active.", next_step="have an administrator add one: `lab bank-key add CARD`"
        )
    return Party(name=bank.name, public_key=active[-1].public_key)


def find_named_party(session: Session, name: str) -> Party:
    """The registered bank of this name, as ``contract_party``; raises ``NotFound`` if none is registered."""
    bank_id = session.scalar(select(BankRow.id).where(BankRow.name == name))
    if bank_id is None:
        raise NotFound(
            "No bank is registered under the name of the organisation that asked.",
            next_step="give its card: --bank-card CARD.json",
        )
    return contract_party(session, bank_id)


def find_bank(session: Session, bank_id: str) -> RegisteredBank:
    """The bank of that id; raises ``NotFound``."""
    bank = _bank(session, bank_id)
    rows = session.scalars(
        select(BankKeyRow).where(BankKeyRow.bank_id == bank_id).order_by(BankKeyRow.added_at, BankKeyRow.public_key)
    )
    return RegisteredBank(bank.id, bank.name, bank.registered_at, tuple(_key(row) for row in rows))


def list_banks(session: Session, *, after: str | None = None, limit: int | None = None) -> list[RegisteredBank]:
    """Banks, by name: at most ``limit``, and only those after the bank with the id ``after`` (raises ``NotFound``)."""
    query = select(BankRow.id).order_by(BankRow.name).limit(limit)
    if after is not None:
        query = query.where(BankRow.name > _bank(session, after).name)
    return [find_bank(session, bank_id) for bank_id in session.scalars(query)]


def replace_key(session: Session, bank_id: str, signed: SignedKeySuccession, *, now: datetime) -> bool:
    """Replace a bank's key by its next one; True if this changed anything.

    The statement must name this bank and be signed by both keys (this function verifies them). Raises
    ``NotAuthentic`` for a wrong signature, ``InvalidInput`` for a statement of another bank or time, ``Conflict`` if
    the old key was succeeded by another or revoked, or the new one is known already; ``NotAllowed`` for too many keys.
    """
    signed.verify()
    statement = signed.statement
    if statement.bank != bank_id or abs(now - statement.time) > MAX_STATEMENT_AGE:
        raise InvalidInput(
            "Expected a statement of succession of this bank, made in the last minutes; found another.",
            next_step="run `lab bank rotate-key` again, and check both clocks",
        )
    old = _locked_key(session, statement.old_key)
    if old is None or old.bank_id != bank_id:
        raise InvalidInput("The old key is not a key of this bank.", next_step="run `lab bank rotate-key` again")
    new = session.get(BankKeyRow, statement.new_key)
    if old.state == BankKeyState.SUCCEEDED and old.successor == statement.new_key and new is not None:
        return False
    if old.state != BankKeyState.ACTIVE or new is not None:
        raise Conflict(
            "The old key is no longer active, or the new one is known already.",
            next_step="ask the bureau which keys it has for this bank",
        )
    _check_keys_per_day(session, bank_id, now)
    with _flushed(session):
        session.add(_fresh(statement.new_key, bank_id, now))
        old.state, old.successor, old.ended_at = BankKeyState.SUCCEEDED.value, statement.new_key, now
    facts = {
        "bank": bank_id,
        "old_key": statement.old_key,
        "new_key": statement.new_key,
        "statement_sha256": statement.sha256,
        "old_key_signature": signed.old_signature,
        "new_key_signature": signed.new_signature,
    }
    record(session, "bank.key-succeeded", None, facts, by=f"bank:{bank_id}")
    return True


def _check_keys_per_day(session: Session, bank_id: str, now: datetime) -> None:
    recent = select(func.count()).where(BankKeyRow.bank_id == bank_id, BankKeyRow.added_at > now - timedelta(days=1))
    if int(session.scalar(recent) or 0) >= MAX_KEYS_PER_DAY:
        raise NotAllowed(
            f"A bank may have {MAX_KEYS_PER_DAY} new keys within 24 hours; this one has had them.",
            next_step="use the present key, and rotate it tomorrow",
        )


def add_key_from_card(session: Session, party: Party, *, by: str, now: datetime, fingerprint: str | None = None) -> str:
    """Add a key for a bank that lost its own, from a new card; returns the bank's id. ``fingerprint``: see
    ``register_bank``.

    Older keys stay as they are; an administrator revokes one that may be stolen. The same card again changes nothing.
    Raises ``NotFound`` if no bank has the card's name, ``Conflict`` if the key is known otherwise.
    """
    bank_id = session.scalar(select(BankRow.id).where(BankRow.name == party.name).with_for_update())
    if bank_id is None:
        raise NotFound(f"No bank named {party.name} is registered.", next_step="register it: `lab officer draft`")
    row = session.get(BankKeyRow, party.public_key)
    if row is not None and (row.bank_id, row.state) == (bank_id, BankKeyState.ACTIVE):
        return bank_id
    if row is not None:
        raise Conflict(
            f"The key {party.fingerprint} is another bank's, or is no longer active.",
            next_step="have the bank make a new key and send its card",
        )
    _check_fingerprint(fingerprint, party)
    with _flushed(session):
        session.add(_fresh(party.public_key, bank_id, now))
    facts = {"bank": bank_id, "key": party.public_key, "fingerprint_told": party.fingerprint}
    record(session, "bank.key-added", None, facts, by=by)
    return bank_id


def revoke_key(session: Session, key: str, reason: str, *, by: str, now: datetime) -> str:
    """Revoke a key; returns the bank's id. Revoking it again changes nothing. Raises ``NotFound``."""
    reason = check_visible_line(reason.strip(), "a reason", longest=_REASON)
    row = _locked_key(session, key)
    if row is None:
        raise NotFound("No bank has this key.", next_step="list banks' keys with `lab bank-key list`")
    if row.state != BankKeyState.REVOKED:
        row.state, row.ended_at = BankKeyState.REVOKED.value, now
        session.flush()
        facts = {"bank": row.bank_id, "key": key, "reason": reason}
        record(session, "bank.key-revoked", None, facts, by=by)
    return row.bank_id


def _check_fingerprint(fingerprint: str | None, party: Party) -> None:
    if fingerprint is None:
        raise InvalidInput(
            f"The key on the card of {party.name} is new here; wanted its fingerprint, as the bank read it out.",
            next_step="have the bank read it out over another channel, and give it with --fingerprint",
        )
    check_fingerprint(fingerprint, party.public_key, whose="the bank")


def _bank(session: Session, bank_id: str) -> BankRow:
    row = session.get(BankRow, bank_id)
    if row is None:
        raise NotFound("No bank has this id.", next_step="list banks with `lab bank-key list`")
    return row


def _locked_key(session: Session, key: str) -> BankKeyRow | None:
    return session.get(BankKeyRow, key, with_for_update=True)


def _fresh(key: str, bank_id: str, now: datetime) -> BankKeyRow:
    return BankKeyRow(
        public_key=key, bank_id=bank_id, state=BankKeyState.ACTIVE.value, successor=None, added_at=now, ended_at=None
    )


def _key(row: BankKeyRow) -> BankKey:
    return BankKey(row.public_key, BankKeyState(row.state), row.successor, row.added_at, row.ended_at)


@contextmanager
def _flushed(session: Session) -> Iterator[None]:
    """Write out what the block added; that another transaction added it a moment ago is a ``Conflict``."""
    try:
        yield
        session.flush()
    except IntegrityError:
        raise Conflict(
            "This bank or key was added a moment ago by another request.", next_step="send the request again"
        ) from None
