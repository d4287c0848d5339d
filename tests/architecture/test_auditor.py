"""An auditor needs neither party's code: exports and receipts are checked with the words alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.party_trees import install_without, run
from tests.support.tampered_exports import PUBLIC, make_export

ALL_BUT_WORDS = (
    *("lab/bank", "lab/bureau", "lab/simulation", "lab/sdk", "models", "protocols", "sandbox"),
    *("lab/witness", "lab/cli/witness"),
    *("lab/cli/bank", "lab/cli/bureau", "lab/cli/officer", "lab/cli/simulation"),
)


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which only the words and ``lab audit`` are left."""
    return install_without(ALL_BUT_WORDS, tmp_path_factory.mktemp("auditor"))


@pytest.mark.property(
    "Auditing without the parties",
    claim="An auditor verifies an export without the code of either party.",
    topic="the ledger",
    code=["lab.cli.auditor.commands"],
)
def test_an_export_is_verified_with_the_words_alone(auditor: Path, tmp_path: Path) -> None:
    export = make_export()
    path = export.write(tmp_path / "export.jsonl")
    done = run(auditor, "audit", "verify", str(path), "--key", PUBLIC, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] == len(export.entries)
    export.flip(9, 20)
    done = run(auditor, "audit", "verify", str(export.write(path)), "--key", PUBLIC, "--json")
    assert done.returncode == 6, done.stderr
    found = json.loads(done.stdout)
    assert (found["how"], found["entry"]) == ("altered", 9)
    assert "第 9 条 entry 9" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("entries",), ("head", "--service", "http://127.0.0.1:1"), ("inquiries", "x")])
def test_what_needs_the_service_says_so(auditor: Path, words: tuple[str, ...]) -> None:
    done = run(auditor, "audit", *words, "--json")
    assert done.returncode == 7 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"] == "not-found"
