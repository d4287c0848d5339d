"""Completion in a shell: groups, commands, options and choices, loading only the group that is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import SUBCOMMANDS
from lab.cli.terminal.completion import find_called_group

LAB = Path(sys.executable).with_name("lab")
BASH = """
eval "$(lab --show-completion bash)"
COMP_WORDS=({words}); COMP_CWORD=$(({count} - 1)); COMPREPLY=()
_lab_completion lab
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
needs_command = pytest.mark.skipif(not LAB.exists(), reason=f"no {LAB}: the package is not installed as a command")


def run(command: list[str], **variables: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "PATH": f"{LAB.parent}:{os.environ['PATH']}",
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
            **variables,
        },
    )
    assert not done.stderr, done.stderr
    return done.stdout


@needs_command
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["lab", "b"], {"bench", "bank", "bureau", "bank-key"}),
        (["lab", "steward", "con"], None),
        (["lab", "officer", "draft", "--ceiling-rows-per-b"], {"--ceiling-rows-per-batch"}),
        (["lab", "officer", "draft", "--detail", ""], {"total", "dimensions", "features", "full"}),
        (["lab", "nonsense", "x"], set()),
    ],
)
def test_bash_is_offered_what_fits(typed: list[str], offered: set[str] | None) -> None:
    words = " ".join(f"'{word}'" for word in typed)
    found = set(run(["bash", "-c", BASH.format(words=words, count=len(typed))]).split())
    assert found == offered if offered is not None else all(word.startswith("con") for word in found)


@needs_command
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_answered_in_their_form(shell: str) -> None:
    script = run([str(LAB), "--show-completion", shell])
    assert f"_LAB_COMPLETE=complete_{shell}" in script
    variables = {"_TYPER_COMPLETE_ARGS": "lab bench ma", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert "matching" in run([str(LAB)], _LAB_COMPLETE=f"complete_{shell}", **variables)


@needs_command
def test_it_is_installed_for_the_person_who_asks(tmp_path: Path) -> None:
    run([str(LAB), "--install-completion", "bash"], HOME=str(tmp_path))
    assert "lab.sh" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("environment", "group"),
    [
        ({"COMP_WORDS": "lab bank sc"}, "bank"),
        ({"COMP_WORDS": "lab ban"}, None),
        ({"COMP_WORDS": "lab --version"}, None),
        ({"_TYPER_COMPLETE_ARGS": "/opt/lab officer draft --model 'a b"}, "officer"),
        ({}, None),
    ],
)
def test_only_a_group_that_is_typed_whole_is_loaded(environment: dict[str, str], group: str | None) -> None:
    assert find_called_group(environment, SUBCOMMANDS) == group


@pytest.mark.parametrize(
    ("words", "meant"),
    [("bnak", "'bank'"), ("bank scoer", "'score'"), ("bank score --contarct c", "--contract")],
)
def test_a_word_that_is_nearly_right_is_met_with_the_right_one(words: str, meant: str) -> None:
    command = [sys.executable, "-m", "lab.cli", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and meant in done.stderr.splitlines()[-1], done.stderr
