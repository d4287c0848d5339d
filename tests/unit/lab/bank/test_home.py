"""The bank's folder: made once, the owner's alone, and what it pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.cli.bank.options import ConnectionOptions
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound
from lab.terms.keys.party import Party

WORDS = "correct horse battery"
BUREAU = Party(name="某数据局", public_key="ab" * 32)


def test_a_home_is_read_back_as_made(tmp_path: Path) -> None:
    name = '某"银行\\ Bank'
    made, keys = BankHome.create(tmp_path / "bank", name=name, passphrase=WORDS)
    opened = BankHome.open(tmp_path / "bank")
    assert opened == made and opened.name == name
    assert opened.open_keys(WORDS).public_key_hex == keys.public_key_hex == opened.card.public_key
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "bank", *(tmp_path / "bank").rglob("*")])


def test_a_key_file_is_made_if_absent_and_opens_the_keys(tmp_path: Path) -> None:
    key_file = tmp_path / "safe" / "bank.key"
    BankHome.create(tmp_path / "bank", name="A", key_file=key_file)
    assert len(key_file.read_bytes()) == 32 and key_file.stat().st_mode & 0o777 == 0o600
    BankHome.open(tmp_path / "bank").open_keys()
    key_file.chmod(0o644)
    with pytest.raises(NotAllowed):
        BankHome.open(tmp_path / "bank").open_keys()
    key_file.unlink()
    with pytest.raises(NotFound):
        BankHome.open(tmp_path / "bank").open_keys()


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
        BankHome.open(tmp_path / "bank").open_keys(WORDS + "!")
    (tmp_path / "bank").chmod(0o755)
    with pytest.raises(NotAllowed):
        BankHome.open(tmp_path / "bank")


def test_a_changed_public_key_is_noticed(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    settings = tmp_path / "bank" / "bank.toml"
    settings.write_text(settings.read_text().replace(home.public_key, "cd" * 32))
    with pytest.raises(NotAuthentic):
        BankHome.open(tmp_path / "bank").open_keys(WORDS)


@pytest.mark.property("Pinned bureau")
def test_a_bureau_is_pinned_by_its_key_and_a_new_key_under_its_name_is_refused(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    assert home.find_pin(BUREAU) is None
    home.pin(BUREAU, "https://bureau.example")
    found = BankHome.open(home.folder).find_pin(BUREAU)
    assert found is not None and (found.bureau, found.url) == (BUREAU, "https://bureau.example")
    with pytest.raises(NotAuthentic, match="not the one pinned"):
        home.find_pin(Party(name=BUREAU.name, public_key="cd" * 32))
    assert home.find_pin(Party(name="another", public_key="cd" * 32)) is None


def test_a_pinned_bureau_does_not_take_the_name_of_another(tmp_path: Path) -> None:
    """Its key is pinned, so no fingerprint is asked for; under the other's name it would pass for the other."""
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    other = Party(name="another", public_key="cd" * 32)
    home.pin(BUREAU, "https://bureau.example")
    home.pin(other, "https://other.example")
    with pytest.raises(NotAuthentic, match="not the one pinned"):
        home.find_pin(Party(name=BUREAU.name, public_key=other.public_key))
    renamed = home.find_pin(Party(name="a third name", public_key=other.public_key))
    assert renamed is not None and renamed.bureau == other


def test_the_certificate_authority_of_a_bureau_is_remembered_with_its_pin(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    home.pin(BUREAU, "https://bureau.example", ca_file=tmp_path / "ca.pem")
    home.pin(BUREAU, "https://bureau.example:8443")
    (pin,) = BankHome.open(home.folder).pins()
    assert (pin.url, pin.ca_file) == ("https://bureau.example:8443", tmp_path / "ca.pem")
    options = ConnectionOptions(home=home.folder)
    assert options._remembered_ca_file("https://another.example", BUREAU.public_key) == tmp_path / "ca.pem"
    assert options._remembered_ca_file("https://bureau.example:8443/", None) == tmp_path / "ca.pem"
    assert options._remembered_ca_file("https://another.example", "cd" * 32) is None


def test_a_contract_never_signed_is_not_found_and_its_id_is_no_path(tmp_path: Path) -> None:
    home, _ = BankHome.create(tmp_path / "bank", name="A", passphrase=WORDS)
    for contract in ("c-1", "../../etc/passwd"):
        with pytest.raises(NotFound):
            home.contract(contract)


def test_a_next_key_takes_the_old_ones_place_and_the_old_one_stays_its_own(tmp_path: Path) -> None:
    home, keys = BankHome.create(tmp_path / "bank", name='某"银行', passphrase=WORDS)
    old, coming = home.public_key, keys.make_next_key()
    assert keys.make_next_key().public_key_hex == coming.public_key_hex and keys.public_key_hex == old
    running = home.open_keys(WORDS)  # another process
    assert running.key_for_bureau(BUREAU.public_key).public_key_hex == old
    keys.record_notified_bureau(BUREAU.public_key)
    assert running.key_for_bureau(BUREAU.public_key).public_key_hex == coming.public_key_hex
    assert running.key_for_bureau("cd" * 32).public_key_hex == old
    now = home.complete_rotation(keys)
    assert (
        now == BankHome.open(home.folder)
        and now.public_key == coming.public_key_hex
        and now.former_public_keys == (old,)
    )
    assert now.own_public_keys == {old, coming.public_key_hex} and now.name == '某"银行'
    assert (
        running.public_key_hex == coming.public_key_hex
        and not running.notified_bureaus()
        and running.next_key() is None
    )
    assert running.find_key(coming.public_key_hex).sign(b"m") == running.sign(b"m")
    with pytest.raises(NotAllowed, match="current or next one"):
        running.find_key(old)
    with pytest.raises(NotFound):
        now.complete_rotation(keys)
    settings = (home.folder / "bank.toml").read_text()
    assert settings.count("created") == 1
    # The home that was read before the rotation opens the keys as they are now.
    assert home.open_keys(WORDS).public_key_hex == coming.public_key_hex


def test_a_rotation_interrupted_after_the_settings_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    home, keys = BankHome.create(tmp_path / "bank", name="A", key_file=tmp_path / "bank.key")
    coming = keys.make_next_key().public_key_hex
    keys.record_notified_bureau(BUREAU.public_key)
    settings = home.folder / "bank.toml"
    settings.write_text(settings.read_text().replace(home.public_key, coming))
    opened = BankHome.open(home.folder).open_keys()
    assert opened.public_key_hex == coming and opened.next_key() is None and not opened.notified_bureaus()
    assert not (home.folder / "keys" / "next.sealed").exists()


def test_what_an_earlier_rotation_left_does_not_speak_for_the_next_one(tmp_path: Path) -> None:
    home, keys = BankHome.create(tmp_path / "bank", name="A", key_file=tmp_path / "bank.key")
    keys.record_notified_bureau(BUREAU.public_key)  # killed before it was removed
    assert keys.key_for_bureau(BUREAU.public_key).public_key_hex == home.public_key
    keys.make_next_key()
    assert not keys.notified_bureaus() and keys.key_for_bureau(BUREAU.public_key).public_key_hex == home.public_key
