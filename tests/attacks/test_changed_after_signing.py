"""The bureau changes what the bank signed: the contract's text, or the sheet of the model, after the signature.

It wants the bank to send finer features, or to a recipient or for a term it did not agree to. What stops it: the bank
runs under nothing but its own copy of what both signed last, and takes a sheet by the hash in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.connection.client import BureauClient
from lab.bank.contract import agreement
from lab.bank.contract.agreement import ActiveScoringContract, verify_contract_text, verify_scoring_contract
from lab.terms.contract.document import SignedContract, signing_input
from lab.terms.errors import NotAuthentic, NotFound
from tests.support.bank_homes import HomeBank, agree, at_home
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Changed after signing",
    who="the bureau",
    wants=("to run a bank's job under a contract or sheet that the bank did not sign, or under a retired version"),
    stopped_by={
        "own copy": "The bank runs jobs under its own copy of the document that both parties signed.",
        "newest version": "The bank refuses a version that a later one, signed by both, has retired.",
        "sheet hash": "The bank accepts a sheet only by the hash in the contract.",
    },
    code=["lab.bank.contract.agreement"],
)

ADDED = "a partner abroad"


def go(house: House, bank: HomeBank, contract: str) -> ActiveScoringContract:
    return verify_scoring_contract(
        bank.home,
        house.outlet(bank.opened),
        contract,
        now=house.scene.clock.now,  # type: ignore[arg-type]
    )


def signed(house: House, folder: Path) -> tuple[HomeBank, str]:
    bank = at_home(house, folder)
    contract = house.scene.contract(signed=False)
    agree(house, bank, contract, fingerprint=house.bureau.party.fingerprint)
    return bank, contract


def exchange_the_text(house: House, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[str, ...]:
    """The recipients of the job that the bank runs after the bureau has put another one in, and signed that."""
    bank, contract = signed(house, folder)
    whole, state = house.bureau.bank_contracts.find(contract)
    document = whole.contract.model_copy(update={"recipients": (*whole.contract.recipients, ADDED)})
    signature = house.bureau.keys.sign(signing_input(document)).hex()
    other = SignedContract(contract=document, bureau_signature=signature, bank_signature=whole.bank_signature)
    monkeypatch.setattr(BureauClient, "contract", lambda *_: (other, state))
    return go(house, bank, contract).contract.recipients


@pytest.mark.without_control("own copy")
def test_without_the_own_copy_and_signature_the_bank_runs_under_another_text(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bank that believes the bureau's word that it has signed."""
    monkeypatch.setattr(agreement, "_own_version", lambda home, document, contract: SignedContract(contract=document))
    monkeypatch.setattr(SignedContract, "verify", lambda *_, **__: None)
    assert ADDED in exchange_the_text(house, monkeypatch, tmp_path)


@pytest.mark.with_control("own copy")
def test_another_text_runs_nothing(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAuthentic, match="not the one this bank signed"):
        exchange_the_text(house, monkeypatch, tmp_path)


@pytest.mark.with_control("own copy")
def test_another_text_is_not_shown_as_the_contract_either(house: House, tmp_path: Path) -> None:
    """What `lab bank contract` shows of a version that was signed here is what was signed here."""
    bank, contract = signed(house, tmp_path)
    own = bank.home.contract(contract).contract
    assert verify_contract_text(bank.home, contract, own) is own
    with pytest.raises(NotAuthentic, match="not the one this bank signed"):
        verify_contract_text(bank.home, contract, own.model_copy(update={"recipients": (ADDED,)}))
    with pytest.raises(NotAuthentic, match="another contract"):
        verify_contract_text(bank.home, contract, own.model_copy(update={"id": "c-other-9"}))


@pytest.mark.with_control("own copy")
def test_a_version_that_the_bank_never_saw_runs_nothing(house: House, tmp_path: Path) -> None:
    bank, contract = signed(house, tmp_path)
    assert go(house, bank, contract).contract.version == 1
    house.scene.amend(contract, recipients=("Credit department", ADDED))
    with pytest.raises(NotFound, match="has not signed"):
        go(house, bank, contract)


def go_back(house: House, monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    """How long the bank's job lets results be kept, in days, when the bureau says that the version is in force which an
    amendment, signed by both, has retired: it allowed longer, and might have had no witnesses."""
    bank, contract = signed(house, folder)
    former = house.bureau.bank_contracts.find(contract)
    assert go(house, bank, contract).contract.retention_days > 30
    house.scene.amend(contract, retention_days=30)
    agree(house, bank, contract)
    assert go(house, bank, contract).contract.retention_days == 30
    monkeypatch.setattr(BureauClient, "contract", lambda *_: former)
    return go(house, bank, contract).contract.retention_days


@pytest.mark.without_control("sheet hash")
def test_where_any_version_that_was_signed_will_do_the_retired_one_is_run_under(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "_check_not_retired", lambda *_: None)
    assert go_back(house, monkeypatch, tmp_path) > 30


@pytest.mark.with_control("sheet hash")
def test_a_retired_version_runs_nothing(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAuthentic, match="version 2, signed by both, has taken its place"):
        go_back(house, monkeypatch, tmp_path)


def exchange_the_sheet(house: House, monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    """How many cut points the bank's sheet has after the bureau has exchanged it for one that asks more finely."""
    bank, contract = signed(house, folder)
    sheet = BureauClient.sheet
    own = sheet(house.outlet(bank.opened), contract)  # type: ignore[arg-type]
    finer = own.replace(b'"score"', b'"Score"', 1) if b'"score"' in own else own + b" "
    monkeypatch.setattr(BureauClient, "sheet", lambda *_: finer)
    go(house, bank, contract)
    return len(finer)


@pytest.mark.without_control("newest version")
def test_without_the_hash_another_sheet_is_taken(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Any:
        """What every hash is equal to."""

        def hexdigest(self) -> Any:
            return self

        def __ne__(self, other: object) -> bool:
            return False

    class Hashlib:
        sha256 = staticmethod(lambda _: Any())

    monkeypatch.setattr(agreement, "hashlib", Hashlib)
    assert exchange_the_sheet(house, monkeypatch, tmp_path)


@pytest.mark.with_control("newest version")
def test_another_sheet_is_refused(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAuthentic, match="sheet is not the one"):
        exchange_the_sheet(house, monkeypatch, tmp_path)
