"""``lab bank status``: what waits for a person is named, with the next step; nothing is opened and nobody asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.bank.home import BankHome
from lab.bank.runs.delivery import give_out
from lab.bank.runs.run_files import write_run_facts
from lab.bank.runs.store import MANIFEST, read_finished_run
from lab.terms.contract.document import ResultDetail
from lab.terms.keys.party import Party
from tests.support.finished_run import make_run

ROOT = Path(__file__).resolve().parents[5]


def status(home: BankHome) -> dict[str, Any]:
    command = [sys.executable, "-m", "lab.cli", "bank", "status", "--json", "--home", str(home.folder)]
    env = {name: value for name, value in os.environ.items() if name != "SHULAB_PASSPHRASE"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_bank_is_told_what_comes_next_and_a_lost_key_file(home: BankHome, tmp_path: Path) -> None:
    found = status(home)
    assert found["party"] == "bank" and found["waiting"] == [] and "lab bank card" in found["next_steps"][0]
    home.pin(Party(name="某数据局", public_key="ab" * 32), "https://bureau.example")
    assert "lab bank sign" in status(home)["next_steps"][0]
    (tmp_path / "bank.key").rename(tmp_path / "elsewhere")
    assert status(home)["waiting"] == ["keys"]


def test_results_that_were_paid_for_and_not_given_out_wait(home: BankHome, trained, tmp_path: Path) -> None:
    run = make_run(home, trained, ResultDetail.TOTAL)
    assert "not-given-out" not in status(home)["waiting"]  # a run of a former version does not say
    write_run_facts(run.folder, MANIFEST, run.manifest | {"job": "12" * 32})
    (home.runs / "20260101T000000-abcdef123456").mkdir()
    found = status(home)
    assert set(found["waiting"]) >= {"not-given-out", "unfinished"}
    assert any(f"lab bank runs {run.folder.name} --out" in step for step in found["next_steps"])
    give_out(read_finished_run(run.folder), tmp_path / "scores.xlsx")
    assert "not-given-out" not in status(home)["waiting"]
