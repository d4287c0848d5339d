"""The ``lab`` command: help without loading a party, exit codes by family, one JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lab.cli import SUBCOMMANDS
from lab.terms import errors


def lab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "120", **environment},
    )


def test_help_lists_every_group_and_exits_0() -> None:
    answer = lab("--help")
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in SUBCOMMANDS)


def test_help_of_the_root_loads_no_party() -> None:
    script = (
        "import sys; sys.argv = ['lab', '--help']\n"
        "from lab.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith(('lab.bank', 'lab.bureau', 'sandbox', 'models', 'protocols'))])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.stdout.strip().endswith("[]")


@pytest.mark.parametrize("name", list(SUBCOMMANDS))
def test_every_group_explains_itself(name: str) -> None:
    answer = lab(name, "--help")
    assert answer.returncode == 0 and "Usage" in answer.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    assert lab("nonsense").returncode == 2
    assert lab("bank", "score").returncode == 2


def test_an_expected_error_has_its_familys_code_a_next_step_and_no_trace(tmp_path) -> None:
    answer = lab("model", "show", "credit", "--home", str(tmp_path / "absent"), "--json")
    assert answer.returncode == errors.NotFound.exit_code
    told = json.loads(answer.stdout)
    assert told["error"] == "not-found" and told["next_step"]
    assert "Traceback" not in answer.stderr and "next" in answer.stderr


def test_exit_codes_and_statuses_of_the_families_differ() -> None:
    families = [one for one in errors.ShulabError.__subclasses__() if one.code != errors.ShulabError.code]
    assert len({family.exit_code for family in families}) == len(families)
    assert len({family.code for family in families}) == len(families)
    assert all(family.exit_code > 2 for family in families)
