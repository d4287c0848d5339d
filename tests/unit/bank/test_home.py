"""The bank's folder: made once, the owner's alone, and what it pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.terms.contract import Party
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound, Refused

WORDS = "correct horse battery"
BUREAU = Party(name="某数据局", public_key="ab" * 32)


def test_a_home_is_read_back_as_made(tmp_path: Path) -> None:
    name = '某"银行\\ Bank'
    made, keys = BankHome.create(tmp_path / "bank", name=name, passphrase=WORDS)
    opened = BankHome.open(tmp_path / "bank")
    assert opened == made and opened.name == name
    assert opened.keys(WORDS).public_key_hex == keys.public_key_hex == opened.card.public_key
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "bank", *(tmp_path / "bank").rglob("*")])


def test_a_key_file_is_made_if_absent_and_opens_the_keys(tmp_path: Path) -> None:
    key_file = tmp_path / "safe" / "bank.key"
    BankHome.create(tmp_path / "bank", name="A", key_file=key_file)
    assert len(key_file.read_bytes()) == 32 and key_file.stat().st_mode & 0o777 == 0o600
    BankHome.open(tmp_path / "bank").keys()
    key_file.chmod(0o644)
    with pytest.raises(Refused):
        BankHome.open(tmp_path / "bank").keys()
    key_file.unlink()
    with pytest.raises(NotFound):
        BankHome.open(tmp_path / "bank").keys()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        BankHome.open(tmp_path / "bank")
    for words in ({}, {"passphrase": "short"}, {"passphrase": WORDS, "key_file": tmp_path / "k"}):
        with pytest.raises(InvalidInput):
            BankHome.create(tmp_path / "bank", name="A", **words)
    with pytest.raises(InvalidInput):
        BankHome.create(tmp_path / "bank", name="A\nB", passphrase=WORDS)
    BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    with pytest.raises(Conflict):
        BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    with pytest.raises(NotAuthentic):
        BankHome.open(tmp_path / "bank").keys(WORDS + "!")
    (tmp_path / "bank").chmod(0o755)
    with pytest.raises(Refused):
        BankHome.open(tmp_path / "bank")


def test_a_changed_public_key_is_noticed(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    settings = tmp_path / "bank" / "bank.toml"
    settings.write_text(settings.read_text().replace(home.public_key, "cd" * 32))
    with pytest.raises(NotAuthentic):
        BankHome.open(tmp_path / "bank").keys(WORDS)


def test_a_bureau_is_pinned_by_its_key_and_a_new_key_under_its_name_is_refused(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    assert home.find_pin(BUREAU) is None
    home.pin(BUREAU, "https://bureau.example")
    found = BankHome.open(home.folder).find_pin(BUREAU)
    assert found is not None and (found.bureau, found.url) == (BUREAU, "https://bureau.example")
    with pytest.raises(NotAuthentic, match="not the one pinned"):
        home.find_pin(Party(name=BUREAU.name, public_key="cd" * 32))
    assert home.find_pin(Party(name="another", public_key="cd" * 32)) is None


def test_a_contract_never_signed_is_not_found_and_its_id_is_no_path(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    for contract in ("c-1", "../../etc/passwd"):
        with pytest.raises(NotFound):
            home.contract(contract)
