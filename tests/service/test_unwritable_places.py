"""A place that cannot be written is told in one sentence with the next step, by every command and both homes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab.cli
from lab.bank.home import BankHome
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import ERROR_FAMILIES
from tests.support.command_tree import all_commands
from tests.support.finished_run import home, make_run, trained  # noqa: F401 - fixtures

CODES = {family.exit_code for family in ERROR_FAMILIES.values()}
WRITTEN = ("out", "html", "rejected", "home", "session")
"""Options, and the argument FILE of exports, that name a place to write to."""
NOWHERE = "/dev/null/none/x.parquet"  # below a file: nobody, not even the superuser, can make it


def written_places() -> Iterator[tuple[str, str]]:
    """Each command with each of its options that names a place to write to."""
    for name, command in all_commands().items():
        for parameter in command.params:
            if parameter.name in WRITTEN and parameter.param_type_name == "option":
                yield name, parameter.opts[0]


def call(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``lab`` with ``words``, in this process."""
    monkeypatch.setattr(sys, "argv", ["lab", *words])
    called = next(word for word in words if not word.startswith("-"))
    code = lab.cli._run(called)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def filled_in(name: str, option: str, folder: Path) -> list[str]:
    """A command line with a plausible value for all that is required, and ``option`` with a place that cannot be."""
    (folder / "given.csv").write_text("id,label\na,1\n")
    words = [*name.split(), option, NOWHERE]
    for parameter in all_commands()[name].params:
        if not parameter.required or option in parameter.opts:
            continue
        kind = type(parameter.type).__name__
        value = str(folder / "given.csv") if "Path" in kind else "1" if "Int" in kind else "given"
        words += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return words


@pytest.mark.parametrize(("name", "option"), list(written_places()), ids=lambda value: str(value).replace(" ", "-"))
def test_no_command_falls_over_a_place_that_cannot_be(
    name: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("SHULAB_BANK_HOME", "SHULAB_BUREAU_HOME", "SHULAB_WITNESS_HOME", "SHULAB_SESSION"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    monkeypatch.setenv("SHULAB_PASSPHRASE", "correct horse battery")
    monkeypatch.setenv("SHULAB_PASSWORD", "correct horse battery")
    code, _, told = call(filled_in(name, option, tmp_path), monkeypatch, capsys)
    assert "fault" not in told and "Traceback" not in told, told
    assert code in CODES or (code == 2 and "error (usage)" in told), f"{code}\n{told}"


@pytest.fixture
def scored(home: BankHome, trained: Any) -> BankHome:  # noqa: F811 - the fixtures
    make_run(home, trained, ResultDetail.FULL)
    return home


@pytest.mark.parametrize(
    "words", ["card --out PLACE", "portrait --html PLACE", "runs RUN --html PLACE", "drift RUN RUN --html PLACE"]
)
@pytest.mark.parametrize("place", ["none/page.html", "/dev/null/page.html", "/proc/page.html", "."])
def test_a_banks_pages(
    words: str,
    place: str,
    scored: BankHome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = next(path.name for path in scored.runs.iterdir() if path.is_dir())
    line = words.replace("PLACE", place).replace("RUN", run).split()
    code, out, told = call(["bank", *line, "--home", str(scored.folder), "--json"], monkeypatch, capsys)
    assert code in CODES, told
    error = json.loads(out)
    assert error["error"] in ERROR_FAMILIES and error["next_step"] and "Traceback" not in told
    assert place == "." or "page.html" in error["detail"]


@pytest.mark.parametrize(
    "words",
    [
        "bank init --name A --key-file {0}/bank.key --home {0}/home",
        "bureau init --name A --home {0}/home",
        "witness init --name w.example/w --home {0}/home",
        "trial {0}/a.csv {0}/b.csv --id id --label bad --id-kind opaque --out {0}/trial",
    ],
)
def test_a_full_disk_is_named(words: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lines = (f"firm-{n},{n % 7},{n % 2}" for n in range(400))
        (tmp_path / f"{name}.csv").write_text(f"id,{name}x,{'bad' if name == 'b' else 'y'}\n" + "\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *words.format(tmp_path).split()],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert done.returncode in CODES, done.stderr
    assert "Traceback" not in done.stderr and "fault:" not in done.stderr
