"""What is installed is what was locked: every requirement by version and hash, and the set-up asks for the hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_dependency_is_locked_by_hash(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 30
    loose = [line for line in lines if not re.match(r"[\w.\[\]-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line)]
    assert loose == []


def test_the_set_up_asks_for_the_hashes() -> None:
    installs = re.findall(r"pip install [^\n]*\$lock", (ROOT / "setup").read_text("utf-8"))
    assert installs and all("--require-hashes" in line and "--no-deps" in line for line in installs)
