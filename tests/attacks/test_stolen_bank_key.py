"""A thief has a bank's signing key; the bank has noticed and had it revoked.

They want to go on in the bank's name: to open jobs, and to bind the bank by signing an amendment. In the way stands the
state of the key, asked for at every request.
"""

from __future__ import annotations

import pytest

from lab.bank.outlet import JobCard
from lab.bureau.contracts.banks import BankKey
from lab.terms.errors import Conflict, NotAuthentic
from tests.attacks.house import House
from tests.unit.bureau.scene import RECIPIENT

CARD = JobCard(RECIPIENT, "credit", 1, 10)


def rob(house: House) -> str:
    contract = house.scene.contract()
    house.outlet().open_job(contract, "the-banks-own", CARD)
    house.bureau.banks.revoke(house.scene.bank.party.public_key, "stolen", by="local")
    return contract


def test_without_the_keys_state_the_thief_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BankKey, "accepted", lambda *_: True)
    contract = rob(house)
    house.outlet().open_job(contract, "the-thiefs", CARD)
    assert b'"credit"' in house.outlet().sheet(contract)
    assert house.bureau.job(contract, "the-thiefs").state == "open"


def test_the_thief_is_a_stranger_at_once_and_stays_one(house: House) -> None:
    contract = rob(house)
    for _ in range(2):
        with pytest.raises(NotAuthentic):
            house.outlet().open_job(contract, "the-thiefs", CARD)
    noted = house.entries("refused")
    assert [one["facts"].get("key_state") for one in noted] == ["revoked"]


def test_the_thief_binds_the_bank_to_nothing(house: House) -> None:
    """Somebody at the bureau passes the thief's signature on, past the door that asks for the key."""
    contract = house.scene.contract(signed=False)
    document = house.scene.document(contract)
    house.bureau.banks.revoke(house.scene.bank.party.public_key, "stolen", by="local")
    with pytest.raises(Conflict, match="not the bank's any more"):
        house.bureau.accept_signature(contract, house.scene.bank.sign(document))
