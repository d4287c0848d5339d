"""A bank's folder of a version whose files had no digests, brought to this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bank.backup.folder_upgrade import check_former_files, upgrade_folder
from lab.bank.home import FOLDER_FORMAT, BankHome
from lab.bank.keys import BankKeys
from lab.bank.runs.metadata import read_run_metadata
from lab.bank.runs.run_files import read_run_file
from lab.bank.runs.store import read_finished_run
from lab.disk.checked_files import DamagedFile
from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party

BUREAU = Party(name="某数据局", public_key="11" * 32)


@pytest.fixture
def former(tmp_path: Path) -> BankHome:
    """A folder as the version before digests left it: a pin, a finished run and an unfinished one."""
    home, _ = BankHome.create(tmp_path / "bank", name="某银行", key_file=tmp_path / "seal.key")
    home.pin(BUREAU, "https://bureau.example")
    for path in (home.folder / "bureaus").glob("*.json"):
        facts = json.loads(path.read_bytes())
        del facts["sha256"]
        path.write_text(json.dumps(facts))
    finished, unfinished = home.runs / "20260101T000000-abc", home.runs / "20260102T000000-abc"
    for folder in (finished, unfinished):
        folder.mkdir(mode=0o700)
        label = {"kind": "score", "contract": "c-1", "delete_after": "2027-01-05", "form": 2}
        (folder / "label.json").write_text(json.dumps(label))
    (finished / "manifest.json").write_text(json.dumps({"schema": "shulab-run/1", "warnings": []}))
    for name in ("scores.parquet", "outputs.parquet", "sheet.json", "contract.json"):
        (finished / name).write_bytes(name.encode())
    (unfinished / "batch-00000.frame").write_bytes(b"frame")
    settings = home.folder / "bank.toml"
    settings.write_text(settings.read_text().replace(f"format = {FOLDER_FORMAT}\n", ""))
    return BankHome.open(home.folder, earlier=True)


def test_files_without_digests_get_theirs_and_are_checked_from_then_on(former: BankHome) -> None:
    check_former_files(former)
    for _ in range(2):  # one that was interrupted is repeated
        upgrade_folder(former)
        found = BankHome.open(former.folder)
        assert [pin.bureau for pin in found.pins()] == [BUREAU] and found.format == FOLDER_FORMAT
        run = read_finished_run(found.runs / "20260101T000000-abc")
        assert (run.sheet, run.contract) == (b"sheet.json", b"contract.json")
        assert all(read_run_metadata(folder) is not None for folder in found.runs.iterdir())
        assert read_run_file(found.runs / "20260102T000000-abc", "batch-00000.frame") == b"frame"
    (run.folder / "sheet.json").write_bytes(b"another")
    with pytest.raises(DamagedFile):
        read_finished_run(run.folder).sheet  # noqa: B018


def test_a_file_that_cannot_be_read_stops_before_anything_is_changed(former: BankHome) -> None:
    manifest = former.runs / "20260101T000000-abc" / "manifest.json"
    manifest.write_text("[]")
    with pytest.raises(InvalidInput, match=r"manifest\.json"):
        check_former_files(former)


def test_a_file_that_does_not_fit_its_digest_is_not_given_another(former: BankHome) -> None:
    upgrade_folder(former)
    label = former.runs / "20260101T000000-abc" / "label.json"
    label.write_text(label.read_text().replace("2027-01-05", "2037-01-05"))
    with pytest.raises(DamagedFile):
        check_former_files(former)


def test_keys_open_in_a_folder_of_an_earlier_format(former: BankHome) -> None:
    assert isinstance(former.open_keys(), BankKeys)
