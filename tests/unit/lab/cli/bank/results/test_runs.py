"""``lab bank`` as a person and a program meet it: one JSON object, telling exit codes, no data in errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bank.home import BankHome
from lab.terms.contract.document import ResultDetail
from tests.support.finished_run import make_run

ROOT = Path(__file__).resolve().parents[6]
WORDS = "correct horse battery"


def lab(*words: str | Path, passphrase: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "SHULAB_PASSPHRASE"}
    if passphrase is not None:
        env["SHULAB_PASSPHRASE"] = passphrase
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", "bank", *map(str, words)],
        capture_output=True,
        text=True,
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_init_and_card(tmp_path: Path) -> None:
    home = tmp_path / "bank"
    made = lab("init", "--name", "某银行", "--home", home, "--json", passphrase=WORDS)
    facts = json.loads(made.stdout)
    assert made.returncode == 0 and facts["name"] == "某银行"
    card = json.loads(lab("card", "--home", home, "--json").stdout)
    assert card == {"name": "某银行", "public_key": facts["public_key"]}
    assert json.loads(Path(facts["card"]).read_text()) == card
    assert json.loads(lab("card", "--home", home).stdout) == card
    again = lab("init", "--name", "某银行", "--home", home, "--json", passphrase=WORDS)
    assert again.returncode == 8 and json.loads(again.stdout)["error"] == "conflict"
    assert WORDS not in made.stdout + made.stderr + again.stdout + again.stderr


def test_a_passphrase_is_wanted_and_a_wrong_one_has_its_exit_code(tmp_path: Path) -> None:
    home = tmp_path / "bank"
    assert lab("init", "--name", "A", "--home", home).returncode == 3
    lab("init", "--name", "A", "--home", home, passphrase=WORDS)
    words = ("sign", "c-0001", "--bureau", "http://127.0.0.1:9", "--yes", "--home", home)
    assert lab(*words).returncode == 3
    wrong = lab(*words, passphrase="another passphrase")
    assert wrong.returncode == 6 and "Traceback" not in wrong.stderr
    assert lab(*words, passphrase=WORDS).returncode == 5  # the keys open; nobody answers at that address


def test_without_a_home_the_next_step_is_named(tmp_path: Path) -> None:
    for words in (("card",), ("runs",), ("portrait",)):
        done = lab(*words, "--home", tmp_path / "none", "--json")
        assert done.returncode == 7 and "lab bank init" in json.loads(done.stdout)["next_step"]
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("detail", [ResultDetail.TOTAL, ResultDetail.FULL])
def test_portraits_and_overviews_of_a_run(home: BankHome, trained, tmp_path: Path, detail: ResultDetail) -> None:
    run = make_run(home, trained, detail)
    html, overview = tmp_path / "p.html", tmp_path / "o.html"
    drawn = lab("portrait", " firm-007 ", "--html", html, "--lang", "en", "--home", home.folder, "--json")
    facts = json.loads(drawn.stdout)
    assert drawn.returncode == 0 and facts["run"] == run.folder.name
    assert facts["portrait"]["enterprise"] == "firm-007" and "firm-007" in html.read_text()
    assert html.stat().st_mode & 0o077 == 0
    shown = lab("portrait", "--home", home.folder)
    assert "企业信用画像" in shown.stdout and "firm-000" in shown.stdout
    listed = json.loads(lab("runs", "--home", home.folder, "--json").stdout)
    assert [one["run"] for one in listed["runs"]] == [run.folder.name] and listed["unfinished"] == []
    one = json.loads(lab("runs", run.folder.name, "--html", overview, "--home", home.folder, "--json").stdout)
    assert one["scored"] == 100 and "总览" in overview.read_text()


def test_what_a_job_warned_of_is_on_the_portrait_and_the_overview(home: BankHome, trained, tmp_path: Path) -> None:
    said = (
        "read as GB18030, because it is not UTF-8 · 不是 UTF-8，按 GB18030 读取",
        "column <b>: 3 cells are no numbers",
    )
    run = make_run(home, trained, ResultDetail.FULL, warnings=said)
    for words, field in ((("portrait", "firm-007"), "warnings"), (("runs", run.folder.name), "warnings")):
        page = tmp_path / f"{words[0]}.html"
        done = lab(*words, "--html", page, "--home", home.folder, "--json")
        assert json.loads(done.stdout)[field] == list(said)
        text = page.read_text(encoding="utf-8")
        assert "To note" in text and "不是 UTF-8，按 GB18030 读取" in text and "read as GB18030" in text
        assert "column &lt;b&gt;: 3 cells" in text
        shown = lab(*words, "--home", home.folder).stdout
        assert shown.count("注意 note: ") == 2 and "3 cells are no numbers" in shown
    listed = json.loads(lab("runs", "--home", home.folder, "--json").stdout)
    assert listed["runs"][0]["warnings"] == list(said)
    moved = lab("drift", run.folder.name, run.folder.name, "--home", home.folder, "--json")
    assert len(json.loads(moved.stdout)["warnings"]) == 4 and "GB18030" in moved.stderr


def test_an_enterprise_without_a_portrait_is_not_named_in_the_error(home: BankHome, trained) -> None:
    make_run(home, trained, ResultDetail.TOTAL)
    for code in ("outside-1", "nobody-knows"):
        done = lab("portrait", code, "--home", home.folder, "--json")
        assert done.returncode == 7
        assert code not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["", "init", "card", "sign", "score", "portrait", "runs"])
def test_help_is_there_in_both_languages(command: str) -> None:
    done = lab(*([command] if command else []), "--help")
    assert (done.returncode == 0 and "银行" in done.stdout) or "运行" in done.stdout or "合同" in done.stdout
    assert "Traceback" not in done.stderr
