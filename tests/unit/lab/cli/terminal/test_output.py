"""What commands print is whole: a configuration to be used, help without ellipses, errors before a service runs."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from lab.cli.officer.draft_options import _parse_witnesses
from lab.cli.terminal.output import SafeConsole, TerminalProgress
from lab.terms.errors import InvalidInput


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "80"},
    )


def test_prometheus_gets_lines_and_nothing_else(tmp_path) -> None:
    home = ("--home", str(tmp_path / "bureau"))
    assert lab("bureau", "init", "--name", "局 Bureau", *home).returncode == 0
    answer = lab("bureau", "metrics", *home)
    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert lines[:3] == ["scrape_configs:", "  - job_name: shulab", "    scheme: http"]
    assert lines[-1].strip() == "- targets: ['127.0.0.1:8600']"


@pytest.mark.parametrize("command", ["officer draft", "bank sign", "bank plan", "witness serve", "bureau"])
def test_help_is_not_cut_on_a_narrow_screen(command) -> None:
    assert "…" not in lab(*command.split(), "--help").stdout


def test_a_witness_without_its_certificate_says_so_and_serves_nothing(tmp_path) -> None:
    home = ("--home", str(tmp_path / "witness"))
    assert lab("witness", "init", "--name", "w.example/w", *home).returncode == 0
    files = ("--tls-certificate", str(tmp_path / "none.pem"), "--tls-key", str(tmp_path / "none.key"))
    answer = lab("witness", "serve", *files, *home)
    assert answer.returncode == InvalidInput.exit_code
    assert "--tls-certificate" in answer.stderr and "Traceback" not in answer.stderr and not answer.stdout
    assert lab("witness", "serve", *files[:2], *home).returncode == InvalidInput.exit_code


def test_a_quorum_that_cannot_be_says_which_could() -> None:
    key = "audit.example/witness+9ba03a99+BCfdnxCtj47VD++J1D3poSo4OL9XjPYUIi/98HmD2WNI"
    with pytest.raises(InvalidInput, match="found 2") as found:
        _parse_witnesses([key], 2)
    assert found.value.next_step == "give 1 to 1, or leave it out"


@pytest.mark.parametrize(("encoding", "bar"), [("utf-8", "██░░─◆"), ("gbk", "██..─◆"), ("latin-1", "##..-*")])
def test_a_bar_is_drawn_with_what_the_terminal_can_print(encoding, bar) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    SafeConsole(file=terminal, width=80).print("██░░─◆")
    terminal.seek(0)
    assert terminal.read().strip() == bar


@pytest.mark.parametrize(("name", "total", "shown"), [("import", 10_646_210, "100%"), ("match", 800, "800/800")])
def test_progress_is_whole_on_a_narrow_screen(name, total, shown) -> None:
    terminal = io.StringIO()
    with TerminalProgress(SafeConsole(file=terminal, width=80)).stage(name, total) as stage:
        stage.advance(total)
    line = terminal.getvalue().strip()
    assert shown in line and "…" not in line
