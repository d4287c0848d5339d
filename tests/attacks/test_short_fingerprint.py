"""Somebody on the way between a bank and the bureau exchanges a key for one of their own with the same fingerprint.

The two people read fingerprints out to each other, and hear what they expect. For a fingerprint of n bits the attacker
tries 2^n keys: 64 bits, as it was, is a matter of money; 128 is of nobody's. What stops them: 32 digits that are
compared whole, from end to end, under a domain of their own. The attack is run against a fingerprint that is short
enough to be found here in a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.disk.checked_files import seal_json
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic
from lab.terms.keys.fingerprint import FINGERPRINT_DIGITS, check_fingerprint, key_fingerprint, legacy_fingerprint
from lab.terms.keys.party import Party

pytestmark = pytest.mark.threat(
    "Key with the same fingerprint",
    who="a stranger",
    wants="to make another key with the fingerprint that two people compare",
    stopped_by={
        "whole fingerprint": "A fingerprint is 128 bits of SHA-256 with domain separation, and is compared whole.",
    },
    code=["lab.terms.keys.fingerprint"],
)

SHORT = 4
"""Digits of the stand-in: 16 bits, 2^48 times less work than the 64 bits of before."""


def generate() -> str:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


def find_another(wanted: Callable[[str], bool]) -> str:
    """A fresh key that passes for another's."""
    for _ in range(2_000_000):
        key = generate()
        if wanted(key):
            return key
    raise AssertionError("not found")


HONEST = generate()


@pytest.fixture(scope="module")
def twin() -> str:
    """The attacker's key: the honest one's first digits are its own."""
    return find_another(lambda key: key_fingerprint(key)[:SHORT] == key_fingerprint(HONEST)[:SHORT])


@pytest.mark.without_control("whole fingerprint")
def test_by_a_short_fingerprint_another_key_passes(twin: str) -> None:
    def short(told: str, key: str) -> bool:
        return key_fingerprint(key)[:SHORT] == told[:SHORT]

    assert twin != HONEST and short(key_fingerprint(HONEST), twin)


@pytest.mark.with_control("whole fingerprint")
def test_by_the_whole_fingerprint_it_does_not(twin: str) -> None:
    with pytest.raises(NotAuthentic, match="not that of the key"):
        check_fingerprint(key_fingerprint(HONEST), twin, whose="the bank")
    check_fingerprint(key_fingerprint(HONEST), HONEST, whose="the bank")


@pytest.mark.with_control("whole fingerprint")
def test_a_fingerprint_has_128_bits_and_a_domain_of_its_own() -> None:
    assert len(key_fingerprint(HONEST).replace("-", "")) == FINGERPRINT_DIGITS == 32
    assert not key_fingerprint(HONEST).startswith(legacy_fingerprint(HONEST)[:14])
    assert Party(name="a", public_key=HONEST).fingerprint == key_fingerprint(HONEST)
    assert key_fingerprint("22" * 32) == "5f2b-78d1-fc91-f45c-e4cd-47b0-5803-101e"


@pytest.mark.with_control("whole fingerprint")
@pytest.mark.parametrize("cut", [1, 4, 16, 31])
def test_a_part_of_it_is_not_enough(cut: int) -> None:
    whole = key_fingerprint(HONEST).replace("-", "")
    for part in (whole[:cut], whole[-cut:], whole + whole[:cut], ""):
        with pytest.raises(NotAuthentic, match="whole fingerprint"):
            check_fingerprint(part, HONEST, whose="the bank")


def test_what_was_read_out_in_the_former_form_is_no_longer_taken() -> None:
    with pytest.raises(NotAuthentic, match="whole fingerprint") as refused:
        check_fingerprint(legacy_fingerprint(HONEST), HONEST, whose="the bureau")
    assert "16 digits are out of use" in refused.value.next_step


def test_however_it_is_typed_it_is_the_same() -> None:
    told = key_fingerprint(HONEST)
    for typed in (told.upper(), told.replace("-", " "), told.replace("-", ""), f" {told}\n", told.replace("-", "–")):
        check_fingerprint(typed, HONEST, whose="the bank")


@pytest.fixture
def home_of_before(tmp_path: Path) -> tuple[BankHome, Party]:
    """A bank's folder with a pin and a tree head that were filed under 64 bits."""
    key_file = tmp_path / "key"
    home, _ = BankHome.create(tmp_path / "bank", name="Test bank", key_file=key_file)
    bureau = Party(name="Test bureau", public_key=HONEST)
    home.pin(bureau, "https://bureau.example")
    folder = home.folder / "bureaus"
    (folder / f"{bureau.fingerprint}.json").rename(folder / f"{legacy_fingerprint(HONEST)}.json")
    (folder / f"{legacy_fingerprint(HONEST)}.head").write_text("a head")
    return home, bureau


def test_what_a_bank_filed_under_a_short_fingerprint_is_found_again(home_of_before: tuple[BankHome, Party]) -> None:
    """Otherwise the head of the bureau's ledger would be forgotten, and an older ledger could pass for the present."""
    home, bureau = home_of_before
    opened = BankHome.open(home.folder)
    assert opened.find_pin(bureau) is not None
    names = {path.name for path in (home.folder / "bureaus").iterdir()}
    assert names == {f"{bureau.fingerprint}.json", f"{bureau.fingerprint}.head"}
    assert LedgerWitness(opened, bureau, lambda *_: [])._file.read_text() == "a head"  # type: ignore[arg-type, return-value]
    BankHome.open(home.folder)


def test_two_heads_of_one_bureau_are_refused_and_neither_is_lost(home_of_before: tuple[BankHome, Party]) -> None:
    home, bureau = home_of_before
    other = home.folder / "bureaus" / f"{bureau.fingerprint}.head"
    other.write_text("another head")
    with pytest.raises(Conflict, match="two files"):
        BankHome.open(home.folder)
    assert other.read_text() == "another head"


def test_a_pin_under_a_name_that_is_neither_is_refused(home_of_before: tuple[BankHome, Party], tmp_path: Path) -> None:
    home, _ = home_of_before
    facts = {"name": "Other", "public_key": generate(), "url": "https://x.example", "pinned": "2026-01-01T00:00:00Z"}
    (home.folder / "bureaus" / f"{legacy_fingerprint(HONEST)}.json").write_text(json.dumps(seal_json(facts, "bureaus")))
    with pytest.raises(InvalidInput, match="has another name"):
        BankHome.open(home.folder)
