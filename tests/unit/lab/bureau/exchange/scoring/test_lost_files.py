"""What the disk lost of a batch is asked for again or made again, and paid for once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lab.bureau.exchange.scoring.leakage_budget import leakage_spent
from lab.bureau.exchange.scoring.own_faults import BureauDataFault
from lab.bureau.store.tables import BankRow, InquiryRow
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import Conflict, NotAllowed, NotFound
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import AGAIN, import_again, name_of, plain, sent
from tests.unit.lab.bureau.test_exchange import JOB, batch_of


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def charged(scene: Scene, contract: str) -> tuple[int, int]:
    """The scores that the contract has paid, and the rows of the job."""
    allowed = scene.bureau.bank_contracts.allowance(contract)["scores"]
    return allowed["total"], scene.bureau.jobs.find(contract, JOB).rows_used


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_context_that_the_disk_lost_is_asked_for_again(scene: Scene, damage) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    frame = scene.bank.keys.public_context()
    sha256 = hashlib.sha256(frame).hexdigest()
    assert scene.bureau.contexts.has(contract, JOB, sha256)
    damage(only(scene.home / "contexts"))
    assert not scene.bureau.contexts.has(contract, JOB, sha256)
    with pytest.raises(NotFound, match="context") as refused:
        scene.bureau.scoring.score(contract, JOB, batch)
    assert refused.value.next_step == "send the context first" and charged(scene, contract) == (0, 0)
    assert scene.bureau.contexts.put(contract, JOB, sha256, frame)
    assert plain(scene, batch, scene.bureau.scoring.score(contract, JOB, batch)[0], scene.tables.public)


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_charged_batch_that_the_disk_lost_is_taken_again(scene: Scene, damage) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    charge = scene.bureau.scoring.receive(contract, JOB, batch)
    damage(only(scene.home / "batches"))
    assert scene.bureau.scoring.receive(contract, JOB, batch) == charge  # brings the bytes back
    assert only(scene.home / "batches").read_bytes() == batch
    damage(only(scene.home / "batches"))
    assert scene.bureau.scoring.evaluate(contract, JOB, charge.sha256).state == "returned"
    with pytest.raises(NotFound, match="bytes") as lost:
        scene.bureau.scoring.reply(contract, JOB, charge.sha256)
    assert "send it again" in lost.value.next_step and charged(scene, contract) == (0, 0)
    assert plain(scene, batch, scene.bureau.scoring.score(contract, JOB, batch)[0], scene.tables.public)
    assert charged(scene, contract) == (6, 6)


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_reply_that_the_disk_lost_is_made_again_at_no_charge_and_counts_twice(scene: Scene, damage) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    first = scene.bureau.scoring.score(contract, JOB, batch)[0]
    with scene.bureau.store.begin_read() as session:
        bank = session.query(BankRow).one().id
        before = leakage_spent(session, bank, "credit", 1)
    damage(only(scene.home / "replies"))
    with pytest.raises(NotFound, match="reply is damaged") as lost:
        scene.bureau.scoring.reply(contract, JOB, name_of(batch))
    assert "send the batch again" in lost.value.next_step
    second = scene.bureau.scoring.score(contract, JOB, batch)[0]
    assert second != first and plain(scene, batch, second, scene.tables.public)
    assert charged(scene, contract) == (6, 6)
    assert scene.ledger()[-3:] == ["score.answered", "score.reply-lost", "score.answered"]
    with scene.bureau.store.begin_read() as session:
        assert leakage_spent(session, bank, "credit", 1) == pytest.approx(2 * before)


def test_a_lost_reply_beyond_the_leakage_budget_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    flip(only(scene.home / "replies"))
    monkeypatch.setattr("lab.bureau.exchange.scoring.leakage_budget.leakage_spent", lambda *_: 1.0)
    with pytest.raises(NotAllowed, match="reveal nothing"):
        scene.bureau.scoring.score(contract, JOB, batch)


def test_a_batch_that_was_lost_cannot_be_named_again(scene: Scene) -> None:
    contract = scene.contract()
    batch = sent(scene, contract)
    import_again(scene)
    flip(only(scene.home / "batches"))
    with pytest.raises(NotAllowed, match="bytes") as lost:
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    assert "afresh" in lost.value.next_step


def test_a_damaged_register_is_no_fault_of_the_bank(scene: Scene) -> None:
    contract = scene.contract()
    charge = scene.bureau.scoring.receive(contract, JOB, batch_of(scene, contract))
    scene.reopen()
    flip(scene.home / "registers" / "main-1.parquet")
    outcome = scene.bureau.scoring.evaluate(contract, JOB, charge.sha256)
    assert outcome.state == "returned" and isinstance(outcome.error, (DamagedFile, BureauDataFault))
    with pytest.raises(Conflict, match="fault is at the bureau"):
        scene.bureau.scoring.reply(contract, JOB, charge.sha256)
    assert charged(scene, contract) == (0, 0)


def test_a_reply_that_left_stays_paid_for_when_it_cannot_be_made_again(scene: Scene) -> None:
    """The bank has the first reply: neither its charge, nor its leakage, nor the inquiry is undone."""
    contract = scene.contract()
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    with scene.bureau.store.begin_read() as session:
        bank = session.query(BankRow).one().id
        before = leakage_spent(session, bank, "credit", 1)
    damaged = only(scene.home / "replies")
    flip(damaged)
    register = scene.home / "registers" / "main-1.parquet"
    whole = register.read_bytes()
    for _ in range(3):  # more attempts cost no more of the budget, and write no more entries
        scene.reopen()
        charge = scene.bureau.scoring.receive(contract, JOB, batch)
        flip(register)
        outcome = scene.bureau.scoring.evaluate(contract, JOB, charge.sha256)
        assert outcome.state == "returned" and isinstance(outcome.error, (DamagedFile, BureauDataFault))
        register.write_bytes(whole)
        with pytest.raises(Conflict, match="fault is at the bureau"):
            scene.bureau.scoring.reply(contract, JOB, charge.sha256)
        assert charged(scene, contract) == (6, 6)
        with scene.bureau.store.begin_read() as session:
            assert leakage_spent(session, bank, "credit", 1) == pytest.approx(2 * before)
            assert session.scalar(select(func.count()).select_from(InquiryRow)) == 6
    assert scene.ledger()[-2:] == ["score.answered", "score.reply-lost"]
    scene.bank.open_job(scene.bureau, contract, AGAIN)
    with pytest.raises(Conflict, match="sent in another job"):  # a second reply as if it were the first
        scene.bureau.scoring.receive(contract, AGAIN, batch)
    scene.reopen()
    assert plain(scene, batch, scene.bureau.scoring.score(contract, JOB, batch)[0], scene.tables.public)
    assert charged(scene, contract) == (6, 6)
