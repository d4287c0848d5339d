"""``lab status``: whichever parties are here, each asked in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from lab.bank.home import BankHome
from tests.support.bureau_scene import Scene

ROOT = Path(__file__).resolve().parents[5]


def status(bank: Path, bureau: Path) -> tuple[int, dict[str, list[dict[str, str]]]]:
    words = ["status", "--json", "--bank-home", str(bank), "--bureau-home", str(bureau)]
    done = subprocess.run([sys.executable, "-m", "lab.cli", *words], capture_output=True, cwd=ROOT, check=False)
    return done.returncode, json.loads(done.stdout)


def test_both_parties_are_shown_apart_and_a_broken_one_does_not_hide_the_other(home: BankHome, scene: Scene) -> None:
    code, found = status(home.folder, scene.home)
    assert code == 0 and [one["party"] for one in found["parties"]] == ["bank", "bureau"]
    (home.folder / "bank.toml").write_text("name = 3\n")
    code, found = status(home.folder, scene.home)
    assert code == 1 and "error" in found["parties"][0] and "lines" in found["parties"][1]


def test_where_nothing_is_set_up_it_says_how_to_begin(tmp_path: Path) -> None:
    assert status(tmp_path / "a", tmp_path / "b") == (0, {"parties": []})
