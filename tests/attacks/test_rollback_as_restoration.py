"""A bureau undoes what happened, and calls it a restoration from a backup.

It has the signing key, so it can write any statement. It wants a bank to go on as if nothing had been lost: without
anybody noticing, with a statement from last year, or with another history in place of the old one. A real restoration
looks the same at first, so the bank cannot refuse it for ever. What stops the bureau: a person at the bank sees what is
lost and decides; a statement is good for one loss; the bank's older receipts bind what it claims to have kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.bank.contract import restoration
from lab.bank.contract.accepted_restorations import accepted_restorations
from lab.bank.contract.ledger_witness import LedgerWitness
from lab.bank.contract.restoration import accept_restoration, find_restoration
from lab.bank.home import BankHome
from lab.bureau.data.backup.home_backup import back_up_bureau
from lab.bureau.data.backup.home_restore import restore_bureau
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.terms.errors import NotAuthentic
from lab.terms.ledger.restoration import RestorationStatement
from lab.terms.ledger.tree import Proof, SignedTreeHead
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Rollback as a restoration",
    who="the bureau",
    wants="to undo what it did, and to have that pass as a restoration from a backup",
    stopped_by={
        "person decides": "A bank goes on only after a person has seen which entries are lost. It keeps the lost head "
        "and its receipts.",
        "one loss": "A statement explains only heads that were signed before it, so each going back takes another one, "
        "and the ledger counts them.",
    },
    code=["lab.bank.contract.restoration", "lab.terms.ledger.restoration"],
)
KEY = BackupKey.generate()
RECIPIENTS = [BackupRecipient(KEY.recipient)]


class Routes:
    """The public routes of a scene's bureau."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def ledger_head(self) -> SignedTreeHead:
        return self._scene.bureau.ledger.sign_head()

    def ledger_consistency(self, first: int, second: int) -> Proof:
        return self._scene.bureau.ledger.prove_consistency(first, second)

    def ledger_restorations(self) -> Sequence[RestorationStatement]:
        return self._scene.bureau.ledger.restorations()


@pytest.fixture
def bank(tmp_path: Path) -> BankHome:
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")[0]


def work(scene: Scene, number: int) -> None:
    """Something happens at the bureau."""
    for one in range(number):
        scene.bank.open_job(scene.bureau, scene.contract(), f"job-{one}")


def show(scene: Scene, bank: BankHome) -> SignedTreeHead:
    """The bureau shows the bank its newest head."""
    routes, scene.clock.now = Routes(scene), datetime.now(UTC)
    head = scene.bureau.ledger.sign_head()
    witness = LedgerWitness(bank, scene.bureau.party, routes.ledger_consistency, statements=routes.ledger_restorations)
    witness.advance_head(head)
    return head


def accept(scene: Scene, bank: BankHome) -> None:
    """A person accepts the restoration."""
    found = find_restoration(bank, scene.bureau.party, Routes(scene))
    assert found is not None
    accept_restoration(bank, scene.bureau.party, found)


def go_back(scene: Scene, backup: Path) -> None:
    """The bureau replaces its folder by what is in the backup, with a statement."""
    scene.bureau.close()
    shutil.rmtree(scene.home)
    restore_bureau(backup, KEY, scene.home)
    scene.reopen()


def put_back(scene: Scene, state: Path) -> None:
    """The bureau puts back a copy of its folder, which has the former statement in it, and states nothing."""
    scene.bureau.close()
    shutil.rmtree(scene.home)
    shutil.copytree(state, scene.home)
    scene.reopen()


@pytest.fixture
def backed_up(scene: Scene, tmp_path: Path) -> Path:
    scene.clock.now = datetime.now(UTC)
    work(scene, 1)
    back_up_bureau(scene.home, tmp_path / "backup.age", RECIPIENTS)
    return tmp_path / "backup.age"


@pytest.mark.without_control("person decides")
def test_without_a_person_the_bureau_undoes_what_it_did(
    scene: Scene, bank: BankHome, backed_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bank that accepts a statement by itself."""
    monkeypatch.setattr(LedgerWitness, "_report_restoration", lambda *_: accept(scene, bank))
    monkeypatch.setattr(restoration, "record_acceptance", lambda *_: None)
    work(scene, 2)
    lost = show(scene, bank)
    go_back(scene, backed_up)
    with pytest.raises(NotAuthentic):  # for a moment
        show(scene, bank)
    assert show(scene, bank).size < lost.size  # and then nobody knows of it


@pytest.mark.with_control("person decides")
def test_the_bank_stops_shows_what_is_lost_and_keeps_it(scene: Scene, bank: BankHome, backed_up: Path) -> None:
    work(scene, 2)
    lost = show(scene, bank)
    go_back(scene, backed_up)
    for _ in range(2):
        with pytest.raises(NotAuthentic, match=rf"entries \d+ to {lost.size}, which it showed this bank, are lost"):
            show(scene, bank)
    found = find_restoration(bank, scene.bureau.party, Routes(scene))
    assert found is not None and (found.lost_head, found.last_lost) == (lost, lost.size)
    accept_restoration(bank, scene.bureau.party, found)
    show(scene, bank)
    (kept,) = accepted_restorations(bank, scene.bureau.party)
    assert kept["lost_head"] == lost.as_dict() and kept["statement"] == found.statement.as_dict()
    assert find_restoration(bank, scene.bureau.party, Routes(scene)) is None


def accept_once_and_go_back_again(scene: Scene, bank: BankHome, backed_up: Path, tmp_path: Path) -> SignedTreeHead:
    """One restoration is accepted; then the bureau puts back the state right after it, old statement included."""
    work(scene, 2)
    show(scene, bank)
    go_back(scene, backed_up)
    accept(scene, bank)
    scene.bureau.close()
    shutil.copytree(scene.home, tmp_path / "state")
    scene.reopen()
    work(scene, 3)
    seen = show(scene, bank)
    put_back(scene, tmp_path / "state")
    work(scene, 1)
    return seen


@pytest.mark.without_control("one loss")
def test_without_the_time_of_the_statement_the_old_one_serves_again(
    scene: Scene, bank: BankHome, backed_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = accept_once_and_go_back_again(scene, bank, backed_up, tmp_path)
    monkeypatch.setattr(RestorationStatement, "explains", lambda one, kept: one.facts.size < kept.size)
    found = find_restoration(bank, scene.bureau.party, Routes(scene))
    assert found is not None and found.lost_head == seen
    accept_restoration(bank, scene.bureau.party, found)
    show(scene, bank)
    assert len(Routes(scene).ledger_restorations()) == 1  # it went back twice, and stated it once


@pytest.mark.with_control("one loss")
def test_an_old_statement_explains_nothing_that_was_shown_after_it(
    scene: Scene, bank: BankHome, backed_up: Path, tmp_path: Path
) -> None:
    accept_once_and_go_back_again(scene, bank, backed_up, tmp_path)
    with pytest.raises(NotAuthentic, match="two histories"):
        show(scene, bank)
    with pytest.raises(NotAuthentic, match="no statement in it says why"):
        find_restoration(bank, scene.bureau.party, Routes(scene))
