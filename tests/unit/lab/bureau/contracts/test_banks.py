"""The banks a bureau knows and their keys: registered, succeeded, added, revoked; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from lab.bureau.contracts import banks
from lab.bureau.contracts.banks import KEY_GRACE_PERIOD, BankKeyState, BankRegistry
from lab.bureau.people.permissions import AccountHolder, Role
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.key_succession import KeySuccession, SignedKeySuccession
from lab.terms.keys.party import Party
from tests.support.bureau_scene import START, Clock

BUREAU_KEY = "ab" * 32
ADMINISTRATOR = AccountHolder("root", "operations", frozenset({Role.ADMINISTRATOR}))


class Key:
    """A key of a test's bank."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw().hex()
        self.sign: Callable[[bytes], bytes] = self._private.sign

    def card(self, name: str = "Test bank") -> Party:
        return Party(name=name, public_key=self.public)


@pytest.fixture
def keeper(store: Database) -> Database:
    """A store whose transactions may write ledger entries."""
    store.sign, store.bureau_key = Ed25519PrivateKey.generate().sign, BUREAU_KEY
    return store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(keeper: Database, clock: Clock) -> BankRegistry:
    return BankRegistry(keeper, BUREAU_KEY, clock)


def enrol(store: Database, card: Party) -> str:
    with store.begin() as session:
        return banks.register_bank(session, card, by="person:li.wei", now=START, fingerprint=card.fingerprint)


def statement(bank: str, old: Key, new: Key, clock: Clock, bureau: str = BUREAU_KEY) -> SignedKeySuccession:
    said = KeySuccession(bureau=bureau, bank=bank, old_key=old.public, new_key=new.public, time=clock.now)
    message = said.signing_input()
    return SignedKeySuccession(
        statement=said, old_signature=old.sign(message).hex(), new_signature=new.sign(message).hex()
    )


def entries(store: Database) -> list[tuple[str, str]]:
    """Kind and body of every entry."""
    with store.begin_read() as session:
        return [(row.kind, row.body) for row in session.scalars(select(LedgerEntryRow).order_by(LedgerEntryRow.seq))]


def test_the_same_card_is_the_same_bank(keeper: Database, room: BankRegistry) -> None:
    key = Key()
    bank = enrol(keeper, key.card())
    assert bank == enrol(keeper, key.card()) and bank.startswith("b-") and len(bank) == 14
    assert [kind for kind, _ in entries(keeper)] == ["bank.registered"]
    found = room.find_by_key(key.public)
    assert found is not None and (found[0].id, found[0].name, found[1].state) == (
        bank,
        "Test bank",
        BankKeyState.ACTIVE,
    )
    assert room.find_by_key(Key().public) is None and room.find_id_by_contract("c-none") is None
    with keeper.begin_read() as session:
        assert banks.find_bank_by_key(session, key.public) == (bank, BankKeyState.ACTIVE)
        assert banks.contract_party(session, bank) == key.card()
        assert banks.find_bank_by_key(session, Key().public) is None


def test_a_name_and_a_key_belong_together(keeper: Database) -> None:
    key = Key()
    enrol(keeper, key.card())
    with pytest.raises(Conflict, match="another key") as caught:
        enrol(keeper, Key().card())
    assert "rotate-key" in caught.value.next_step and "lab bank-key add" in caught.value.next_step
    with pytest.raises(Conflict, match="another name"):
        enrol(keeper, key.card("Another bank"))
    enrol(keeper, Key().card("Another bank"))
    assert [kind for kind, _ in entries(keeper)] == ["bank.registered"] * 2


def test_a_key_is_succeeded_and_accepted_for_a_day(keeper: Database, room: BankRegistry, clock: Clock) -> None:
    old, new = Key(), Key()
    bank = enrol(keeper, old.card())
    signed = statement(bank, old, new, clock)
    room.replace_key(bank, signed)
    room.replace_key(bank, signed)  # the answer was lost, and it is sent again
    kinds = [kind for kind, _ in entries(keeper)]
    assert kinds == ["bank.registered", "bank.key-succeeded"]
    body = entries(keeper)[-1][1]
    assert all(part in body for part in (old.public, new.public, signed.old_signature, f"bank:{bank}"))
    keys = {key.public_key: key for key in room.find(bank).keys}
    assert keys[old.public].state is BankKeyState.SUCCEEDED and keys[old.public].successor == new.public
    for later, accepted in (
        (timedelta(0), True),
        (KEY_GRACE_PERIOD - timedelta(seconds=1), True),
        (KEY_GRACE_PERIOD, False),
    ):
        assert keys[old.public].is_accepted(clock.now + later) is accepted
        assert keys[new.public].is_accepted(clock.now + later)
    with keeper.begin_read() as session:
        assert banks.contract_party(session, bank) == new.card()
    with pytest.raises(Conflict, match="succeeded"):
        enrol(keeper, old.card())


def test_a_statement_must_be_this_banks_for_this_bureau_of_now_and_by_both_keys(
    keeper: Database, room: BankRegistry, clock: Clock
) -> None:
    old, new, other = Key(), Key(), Key()
    bank = enrol(keeper, old.card())
    another = enrol(keeper, other.card("Another bank"))
    with pytest.raises(InvalidInput, match="this bureau"):
        room.replace_key(bank, statement(bank, old, new, clock, bureau="cd" * 32))
    with pytest.raises(InvalidInput):
        room.replace_key(bank, statement(another, old, new, clock))
    with pytest.raises(InvalidInput):  # another bank's key cannot be handed over
        room.replace_key(bank, statement(bank, other, new, clock))
    with pytest.raises(Conflict):  # nor taken
        room.replace_key(bank, statement(bank, old, other, clock))
    half = statement(bank, old, new, clock)
    with pytest.raises(NotAuthentic):
        room.replace_key(bank, half.model_copy(update={"new_signature": half.old_signature}))
    late = statement(bank, old, new, clock)
    clock.now += timedelta(hours=1)
    with pytest.raises(InvalidInput):
        room.replace_key(bank, late)
    assert [kind for kind, _ in entries(keeper)] == ["bank.registered"] * 2
    room.replace_key(bank, statement(bank, old, new, clock))
    with pytest.raises(Conflict):  # the old key has handed over already
        room.replace_key(bank, statement(bank, old, Key(), clock))


def test_revoking_is_at_once_and_ends_the_day_of_grace(keeper: Database, room: BankRegistry, clock: Clock) -> None:
    old, new = Key(), Key()
    bank = enrol(keeper, old.card())
    room.replace_key(bank, statement(bank, old, new, clock))
    found = room.revoke_key(old.public, "stolen", by=ADMINISTRATOR)
    assert not next(key for key in found.keys if key.public_key == old.public).is_accepted(clock.now)
    room.revoke_key(old.public, "stolen again", by=ADMINISTRATOR)
    assert [kind for kind, _ in entries(keeper)][-1] == "bank.key-revoked"
    assert sum(kind == "bank.key-revoked" for kind, _ in entries(keeper)) == 1
    assert '"by":"person:root"' in entries(keeper)[-1][1] and "stolen" in entries(keeper)[-1][1]
    room.revoke_key(new.public, "stolen too", by=ADMINISTRATOR)
    with keeper.begin_read() as session, pytest.raises(Conflict, match="No key"):
        banks.contract_party(session, bank)
    with pytest.raises(Conflict, match="revoked"):
        enrol(keeper, new.card())
    with pytest.raises(NotFound):
        room.revoke_key(Key().public, "x", by=ADMINISTRATOR)
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(InvalidInput):
            room.revoke_key(new.public, reason, by=ADMINISTRATOR)


def test_a_lost_key_is_replaced_by_an_administrator(keeper: Database, room: BankRegistry) -> None:
    lost, fresh = Key(), Key()
    bank = enrol(keeper, lost.card())
    told = fresh.card().fingerprint
    room.add_key(fresh.card(), by=ADMINISTRATOR, fingerprint=told)
    room.add_key(fresh.card(), by=ADMINISTRATOR, fingerprint=told)
    kind, body = entries(keeper)[-1]
    assert kind == "bank.key-added" and "person:root" in body and fresh.public in body
    assert sum(kind == "bank.key-added" for kind, _ in entries(keeper)) == 1
    with keeper.begin_read() as session:
        assert banks.find_bank_by_key(session, fresh.public) == (bank, BankKeyState.ACTIVE)
    room.revoke_key(lost.public, "lost", by=ADMINISTRATOR)
    with keeper.begin_read() as session:
        assert banks.contract_party(session, bank) == fresh.card()
    with pytest.raises(NotFound):
        room.add_key(Key().card("Unknown bank"), by=ADMINISTRATOR)
    with pytest.raises(Conflict):
        room.add_key(lost.card(), by=ADMINISTRATOR)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_only_administrators_change_keys(keeper: Database, room: BankRegistry, role: Role) -> None:
    key = Key()
    enrol(keeper, key.card())
    person = AccountHolder("someone", "elsewhere", frozenset({role}))
    for change in (
        lambda: room.revoke_key(key.public, "x", by=person),
        lambda: room.add_key(Key().card(), by=person),
    ):
        with pytest.raises(NotAllowed, match="revoke banks' keys"):
            change()
    assert [kind for kind, _ in entries(keeper)] == ["bank.registered"]


def test_an_ended_key_in_use_is_noted_but_not_each_time(keeper: Database, room: BankRegistry, clock: Clock) -> None:
    key = Key()
    bank = enrol(keeper, key.card())
    room.revoke_key(key.public, "stolen", by=ADMINISTRATOR)
    found = room.find_by_key(key.public)
    assert found is not None
    for _ in range(50):
        room.record_ended_key_use(bank, found[1])
    assert [kind for kind, _ in entries(keeper)].count("refused") == 1
    clock.now += timedelta(minutes=11)
    room.record_ended_key_use(bank, found[1])
    kind, body = entries(keeper)[-1]
    assert kind == "refused" and key.public in body and f"bank:{bank}" in body
    assert [kind for kind, _ in entries(keeper)].count("refused") == 2


def test_one_succession_wins_among_many_at_once(keeper: Database, room: BankRegistry, clock: Clock) -> None:
    old, nexts = Key(), [Key() for _ in range(6)]
    bank = enrol(keeper, old.card())
    outcomes: list[str] = []

    def succeed(new: Key) -> None:
        try:
            room.replace_key(bank, statement(bank, old, new, clock))
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=succeed, args=(new,)) for new in nexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["done"]
    active = [key for key in room.find(bank).keys if key.state is BankKeyState.ACTIVE]
    assert len(active) == 1 and active[0].public_key in {new.public for new in nexts}
