"""The bureau's machine is put back to yesterday's database, so that what was done since never was.

Everything in it is true and signed, and the bureau alone cannot notice. Whoever did it wants a bank to go on as if
nothing had been. What stops it: the newest head that the bank has kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.home import BankHome
from lab.bureau.bureau import Bureau
from lab.terms.errors import NotAuthentic
from lab.terms.ledger.tree import SignedTreeHead
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Database put back",
    who="somebody on the machine",
    wants="to undo what happened by restoring an earlier database",
    stopped_by={
        "kept head": "A bank compares each head with the last one that it saw. The bureau cannot notice by itself.",
    },
    code=["lab.bank.contract.ledger_witness"],
)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[BankHome]:
    yield BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")[0]


def follow(scene: Scene, bank: BankHome, head: SignedTreeHead) -> None:
    bureau: Bureau = scene.bureau
    LedgerWitness(bank, bureau.party, bureau.ledger.prove_consistency).advance_head(head)


def put_back(scene: Scene, bank: BankHome) -> int:
    """The bank sees a head; the database goes back to before it and grows again; how large the bank's head is then."""
    contract = scene.contract()
    backup = scene.home.parent / "backup.db"
    scene.bureau.ledger.sign_head()
    scene.bureau.close()
    shutil.copyfile(scene.home / "bureau.db", backup)
    scene.reopen()
    scene.bank.match(scene.bureau, contract, scene.tables.codes[:3])
    follow(scene, bank, scene.bureau.ledger.sign_head())
    scene.bureau.close()
    for file in scene.home.glob("bureau.db*"):
        file.unlink()
    shutil.copyfile(backup, scene.home / "bureau.db")
    scene.reopen()
    for number in range(20):
        scene.bank.open_job(scene.bureau, contract, f"another-{number}")
    head = scene.bureau.ledger.sign_head()
    follow(scene, bank, head)
    kept = LedgerWitness(bank, scene.bureau.party, scene.bureau.ledger.prove_consistency).stored_head()
    assert kept is not None
    return kept.size - head.size


@pytest.mark.without_control("kept head")
def test_without_the_kept_head_the_bank_goes_on(scene: Scene, bank: BankHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(room: LedgerWitness, head: SignedTreeHead) -> None:
        head.verify(room._bureau.public_key)
        room._keep(head, room._file)

    monkeypatch.setattr(LedgerWitness, "advance_head", forgetful)
    assert put_back(scene, bank) == 0


@pytest.mark.with_control("kept head")
def test_the_bank_finds_it_out(scene: Scene, bank: BankHome) -> None:
    with pytest.raises(NotAuthentic, match="two histories"):
        put_back(scene, bank)
