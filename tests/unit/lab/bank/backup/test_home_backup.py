"""A bank's folder backed up, restored and upgraded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab.bank.backup.home_backup import back_up_bank, restore_bank, upgrade_bank
from lab.bank.home import FOLDER_FORMAT, BankHome
from lab.bank.keys import BankKeys
from lab.bank.matching.evaluation_store import open_evaluation_store
from lab.disk.backup.backup_keys import BackupKey, BackupRecipient
from lab.terms.errors import Conflict, InvalidInput
from protocols.scoring.parameters import DEFAULT_PARAMETERS, PARAMETERS

KEY = BackupKey.generate()
RECIPIENTS = [BackupRecipient(KEY.recipient)]


@pytest.fixture
def bank(tmp_path: Path) -> tuple[BankHome, BankKeys]:
    return BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")


def test_keys_runs_and_evaluations_come_back_and_set_ups_are_counted(
    bank: tuple[BankHome, BankKeys], tmp_path: Path
) -> None:
    home, keys = bank
    context = keys.public_context(PARAMETERS[DEFAULT_PARAMETERS])
    (home.runs / "20260101T000000-abc").mkdir(mode=0o700)
    (home.runs / "20260101T000000-abc" / "batch-00000.frame").write_bytes(b"frame")
    (home.setups / "c-1").mkdir(parents=True)
    (home.setups / "c-1" / "buckets").write_bytes(b"x" * 1000)
    with open_evaluation_store(home.evaluations, "c-1", 1, "x25519") as store:
        number = store.record_request(["a", "b"])
        store.record_evaluations(number, ["a", "b"], np.ones((2, 32), dtype=np.uint8))
        made = back_up_bank(home, keys, tmp_path / "b.age", RECIPIENTS)  # while it is open
    assert (made.manifest.left_out["setups"].files, made.manifest.fingerprint) == (1, home.card.fingerprint)
    restore_bank(tmp_path / "b.age", KEY, tmp_path / "new", fingerprint=home.card.fingerprint)
    found = BankHome.open(tmp_path / "new")
    assert found.open_keys().public_context(PARAMETERS[DEFAULT_PARAMETERS]) == context
    assert (found.runs / "20260101T000000-abc" / "batch-00000.frame").read_bytes() == b"frame"
    with open_evaluation_store(found.evaluations, "c-1", 1, "x25519") as store:
        assert len(store) == 2 and store.missing(["a", "b"]) == []


def test_a_folder_of_an_earlier_version_is_backed_up_and_brought_forward(
    bank: tuple[BankHome, BankKeys], tmp_path: Path
) -> None:
    settings = bank[0].folder / "bank.toml"
    settings.write_text(settings.read_text().replace(f"format = {FOLDER_FORMAT}\n", ""))
    with pytest.raises(Conflict, match="earlier version of this program: it has format 0"):
        BankHome.open(bank[0].folder)
    former = BankHome.open(bank[0].folder, earlier=True)
    assert former.format == 0
    made = upgrade_bank(former, bank[1], tmp_path / "b.age", RECIPIENTS)
    assert made.manifest.facts["format"] == 0 and BankHome.open(former.folder).format == FOLDER_FORMAT
    restore_bank(tmp_path / "b.age", KEY, tmp_path / "new")
    assert BankHome.open(tmp_path / "new", earlier=True).format == 0


def test_a_folder_of_a_later_version_is_refused(bank: tuple[BankHome, BankKeys]) -> None:
    bank[0].set_format(FOLDER_FORMAT + 1)
    with pytest.raises(Conflict, match=rf"later version of this program: it has format {FOLDER_FORMAT + 1}"):
        BankHome.open(bank[0].folder)


def test_an_upgrade_changes_nothing_if_something_cannot_be_read(
    bank: tuple[BankHome, BankKeys], tmp_path: Path
) -> None:
    (bank[0].folder / "bureaus" / "x.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"x\.json"):
        upgrade_bank(bank[0], bank[1], tmp_path / "b.age", RECIPIENTS)
    assert not (tmp_path / "b.age").exists()


def test_a_damaged_store_of_evaluations_is_not_backed_up(bank: tuple[BankHome, BankKeys], tmp_path: Path) -> None:
    bank[0].evaluations.mkdir()
    (bank[0].evaluations / "c-1.e1.x25519.sqlite").write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    with pytest.raises(InvalidInput, match="damaged"):
        back_up_bank(*bank, tmp_path / "b.age", RECIPIENTS)
