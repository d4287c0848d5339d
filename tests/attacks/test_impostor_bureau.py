"""Somebody else answers at the bureau's address, under the bureau's name, with a key of their own.

They want the bank to sign a contract with them and send them its blinded list and its encrypted portfolio. What stops
it: the fingerprint that is compared at the first contract, and the pin that every later one is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.bank.contract import agreement
from lab.bank.home import BankHome, PinnedBureau
from lab.terms.errors import NotAuthentic
from lab.terms.keys.party import Party
from tests.support.bank_homes import agree, at_home
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import House, serving

pytestmark = pytest.mark.threat(
    "Impostor bureau",
    who="a stranger",
    wants="to answer a bank in place of its bureau",
    stopped_by={
        "pin": "The bank pins the bureau's key at the first contract.",
        "fingerprint": "A person compares the key's fingerprint over another channel before the first contract.",
        "one name": "A pinned key keeps its name; no pinned bureau can pass for another.",
    },
    code=["lab.bank.contract.agreement", "lab.bank.home"],
)


@pytest.fixture
def impostor(open_scene: Callable[[str], Scene], house: House, tmp_path: Path) -> Iterator[House]:
    """Another bureau of the same name, and so of another key."""
    (tmp_path / "bureau").rename(tmp_path / "true")
    other = open_scene("")
    other.clock.now = datetime.now(UTC)
    with serving(other) as running:
        yield running


def lure(house: House, impostor: House, folder: Path, *, known: bool) -> bool:
    """Whether the bank has signed with the impostor; ``known``: it works with the true bureau already."""
    bank = at_home(house, folder)
    # Of a bureau that it knows already nobody asks for a fingerprint: then the person takes what the card shows.
    told = impostor.bureau.party.fingerprint if known else house.bureau.party.fingerprint
    if known:
        bank.home.pin(house.bureau.party, house.url)
    impostor.scene.bank = bank
    contract = impostor.scene.contract(signed=False)
    agree(impostor, bank, contract, fingerprint=told)
    return impostor.bureau.bank_contracts.find(contract)[1] == "active"


@pytest.mark.without_control("pin")
def test_without_the_pin_the_bank_signs_with_the_impostor(
    house: House, impostor: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BankHome, "find_pin", lambda *_: None)
    assert lure(house, impostor, tmp_path, known=True)


@pytest.mark.with_control("pin")
def test_the_pinned_bureaus_name_is_nobody_elses(house: House, impostor: House, tmp_path: Path) -> None:
    with pytest.raises(NotAuthentic, match="not the one pinned under its name"):
        lure(house, impostor, tmp_path, known=True)


@pytest.mark.without_control("fingerprint")
def test_without_the_fingerprint_the_first_contract_is_the_impostors(
    house: House, impostor: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "check_fingerprint", lambda *_, **__: None)
    assert lure(house, impostor, tmp_path, known=False)


@pytest.mark.with_control("fingerprint")
def test_the_fingerprint_that_was_read_out_is_another(house: House, impostor: House, tmp_path: Path) -> None:
    with pytest.raises(NotAuthentic, match="is not that of the key found here"):
        lure(house, impostor, tmp_path, known=False)


def take_the_name(folder: Path) -> bool:
    """Whether one of two pinned bureaus passes for the other by writing its name into a contract: its key is pinned,
    so that no fingerprint is asked for."""
    home, _ = BankHome.create(folder / "home", name="Test bank", key_file=folder / "bank.key")
    true, other = Party(name="true bureau", public_key="ab" * 32), Party(name="other bureau", public_key="cd" * 32)
    home.pin(true, "https://true.example")
    home.pin(other, "https://other.example")
    return home.find_pin(Party(name=true.name, public_key=other.public_key)) is not None


@pytest.mark.without_control("one name")
def test_where_a_pinned_key_may_have_any_name_one_bureau_passes_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_key_alone(self: BankHome, bureau: Party) -> PinnedBureau | None:
        return next((pin for pin in self.pins() if pin.bureau.public_key == bureau.public_key), None)

    monkeypatch.setattr(BankHome, "find_pin", by_key_alone)
    assert take_the_name(tmp_path)


@pytest.mark.with_control("one name")
def test_no_pinned_bureau_passes_for_another(tmp_path: Path) -> None:
    with pytest.raises(NotAuthentic, match="not the one pinned under its name"):
        take_the_name(tmp_path)
