"""A thief has a bank's signing key; the bank has noticed and had it revoked.

They want to go on in the bank's name: to open jobs, and to bind the bank by signing an amendment. What stops it: the
state of the key, asked for at every request.
"""

from __future__ import annotations

import pytest

from lab.bank.connection.client import JobDescription
from lab.bureau.contracts.banks import BankKey
from lab.terms.errors import Conflict, NotAuthentic
from lab.terms.keys.key_succession import KeySuccession, SignedKeySuccession
from tests.support.bureau_scene import RECIPIENT
from tests.support.bureau_standin import Key
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Stolen bank key",
    who="a stranger",
    wants="to act in a bank's name with its stolen key after the key was revoked",
    stopped_by={
        "key state": (
            "Each request checks that its key is active. A bank rotates its key by a statement under both keys;"
            " an administrator revokes one. Neither stops the bank's contracts."
        ),
    },
    shipped="on; a person has to rotate or revoke the key",
    code=["lab.bureau.contracts.banks", "lab.bank.key_rotation"],
)

CARD = JobDescription(RECIPIENT, "credit", 1, 10)


def rob(house: House) -> str:
    contract = house.scene.contract()
    house.outlet().open_job(contract, "the-banks-own", CARD)
    house.bureau.banks.revoke_key(house.scene.bank.party.public_key, "stolen", by="local")
    return contract


@pytest.mark.without_control("key state")
def test_without_the_keys_state_the_thief_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BankKey, "is_accepted", lambda *_: True)
    contract = rob(house)
    house.outlet().open_job(contract, "the-thiefs", CARD)
    assert b'"credit"' in house.outlet().sheet(contract)
    assert house.bureau.jobs.find(contract, "the-thiefs").state == "open"


@pytest.mark.with_control("key state")
def test_the_thief_is_a_stranger_at_once_and_stays_one(house: House) -> None:
    contract = rob(house)
    for _ in range(2):
        with pytest.raises(NotAuthentic):
            house.outlet().open_job(contract, "the-thiefs", CARD)
    noted = house.entries("refused")
    assert [one["facts"].get("key_state") for one in noted] == ["revoked"]


@pytest.mark.with_control("key state")
def test_the_thief_binds_the_bank_to_nothing(house: House) -> None:
    """Somebody at the bureau passes the thief's signature on, past the door that asks for the key."""
    contract = house.scene.contract(signed=False)
    document = house.scene.document(contract)
    house.bureau.banks.revoke_key(house.scene.bank.party.public_key, "stolen", by="local")
    with pytest.raises(Conflict, match="not the bank's any more"):
        house.bureau.bank_contracts.accept_signature(contract, house.scene.bank.sign(document))


def test_a_key_that_the_thief_put_in_its_place_has_to_be_revoked_by_itself(house: House) -> None:
    """Before it was noticed the thief rotated the bank's key to one of their own: that is another key, and the list of
    a bank's keys names it."""
    thief, bank = Key(), house.scene.bank
    house.scene.contract()
    bank_id = house.outlet().own_bank_id()
    statement = KeySuccession(
        bank=bank_id,
        bureau=house.bureau.keys.public_key_hex,
        old_key=bank.party.public_key,
        new_key=thief.public_key_hex,
        time=house.scene.clock.now,
    )
    message = statement.signing_input()
    signatures = (bank.signing.sign(message).hex(), thief.sign(message).hex())
    contract = rob_after(house, SignedKeySuccession(statement=statement, old_signature=signatures[0],
                                                 new_signature=signatures[1]))  # fmt: skip
    house.outlet(thief).open_job(contract, "one", CARD)
    successor = next(key for key in house.bureau.banks.find(bank_id).keys if key.public_key == bank.party.public_key)
    assert successor.successor == thief.public_key_hex
    house.bureau.banks.revoke_key(str(successor.successor), "the thief's", by="local")
    with pytest.raises(NotAuthentic):
        house.outlet(thief).open_job(contract, "two", CARD)


def rob_after(house: House, signed: SignedKeySuccession) -> str:
    contract = house.scene.contract()
    house.outlet().submit_key_succession(signed)
    house.bureau.banks.revoke_key(house.scene.bank.party.public_key, "stolen", by="local")
    return contract
