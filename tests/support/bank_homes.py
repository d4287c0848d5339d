"""A bank with its own folder, sealed keys and pins, for the tests of attacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.bank.contract.agreement import countersign
from lab.bank.home import BankHome
from lab.bank.keys import BankKeys
from lab.terms.contract.document import Contract, SignedContract, signing_input
from lab.terms.keys.party import Party
from tests.support.bureau_scene import Bank
from tests.support.served_bureau import House


@dataclass
class HomeBank(Bank):
    """The bank of a scene, with its keys in a bank's folder."""

    home: BankHome = field(default=None)  # type: ignore[assignment]
    opened: BankKeys = field(default=None)  # type: ignore[assignment]

    @property
    def party(self) -> Party:
        return self.home.card

    def sign(self, contract: Contract) -> str:
        return self.opened.sign(signing_input(contract)).hex()


def at_home(house: House, folder: Path) -> HomeBank:
    """Give the scene's bank a folder of its own, in ``folder``."""
    home, keys = BankHome.create(folder / "home", name="Test bank", key_file=folder / "bank.key")
    house.scene.bank = HomeBank(home=home, opened=keys)
    return house.scene.bank


def agree(house: House, bank: HomeBank, contract: str, **more: Any) -> SignedContract:
    """The bank fetches a contract and signs it, as `lab bank sign` does; every question is answered with yes."""
    client = house.outlet(bank.opened)
    return countersign(bank.home, bank.opened, client, contract, agree=lambda *_: True, **more)
