"""`lab doctor --deep`: every damaged file of a home has a line and a next step, and the command fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from lab.bank.home import BankHome
from lab.cli.doctor.commands import app
from lab.cli.doctor.digests import check_digests
from lab.cli.doctor.findings import DoctorVerdict
from lab.terms.contract.document import ResultDetail
from tests.support.finished_run import home, make_run, trained

__all__ = ["home", "trained"]


def test_each_damaged_file_has_a_line_and_a_next_step(home: BankHome, trained: Any, tmp_path: Path) -> None:
    run = make_run(home, trained, ResultDetail.TOTAL, scored=10)
    homes = {"bank": home.folder, "bureau": tmp_path / "none"}
    (whole,) = check_digests(homes)
    assert whole.verdict is DoctorVerdict.OK and whole.value == 0
    path = run.folder / "outputs.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    (run.folder / "sheet.json").unlink()
    line, *damaged = check_digests(homes)
    assert line.verdict is DoctorVerdict.WRONG and line.value == 2
    assert [str(one.value) for one in damaged] == [
        f"runs/{run.folder.name}/outputs.parquet",
        f"runs/{run.folder.name}/sheet.json",
    ]
    assert all("backup" in one.next_step[1] and "备份" in one.next_step[0] for one in damaged)


def test_the_command_reads_files_only_when_asked_and_fails_for_damage(
    home: BankHome, trained: Any, tmp_path: Path
) -> None:
    run = make_run(home, trained, ResultDetail.TOTAL, scored=10)
    (run.folder / "scores.parquet").write_bytes(b"")
    words = ["doctor", "--bank-home", str(home.folder), "--bureau-home", str(tmp_path / "none"), "--json"]

    def doctor(*more: str) -> tuple[int, list[str]]:
        done = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
        return done.exit_code, [
            one["check"] for one in json.loads(done.stdout)["findings"] if one["verdict"] == "wrong"
        ]

    assert "digests_bank" not in doctor()[1]
    code, wrong = doctor("--deep")
    assert code == 1 and wrong.count("digests_bank") == 2


def test_a_folder_of_the_version_before_digests_is_to_be_upgraded_and_nothing_in_it_is_called_damaged(
    home: BankHome, tmp_path: Path
) -> None:
    (home.folder / "bureaus" / "x.json").write_text('{"name": "某局"}')
    settings = home.folder / "bank.toml"
    settings.write_text("".join(line for line in settings.read_text().splitlines(True) if "format" not in line))
    (finding,) = check_digests({"bank": home.folder, "bureau": tmp_path / "none"})
    assert finding.verdict is DoctorVerdict.WRONG
    assert "lab bank upgrade" in finding.next_step[1]
