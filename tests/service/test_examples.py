"""The walk on data of one's own: on a clean clone, from an empty folder to a portrait in ten commands."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.support.clean_clone import make_clone
from tests.support.example_data import FOLDER, example_files

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "examples" / "README.md"
MOST_COMMANDS = 10


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path / "clone")


def shape(line: str) -> tuple[str, ...]:
    """A command without what differs between two runs: its words before the first option, and its options in order."""
    words = shlex.split(line)
    words = words[words.index("lab") + 1 :]
    return (*words[:2], *(word for word in words if word.startswith("--") and word != "--port-file"))


def test_the_walk_leads_to_a_portrait(clone: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "out"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SHULAB_")}
    environment |= {"PORT": str(port), "LAB": f"{sys.executable} -P -m lab.cli", "PYTHONPATH": str(clone)}
    done = subprocess.run(
        ["sh", "examples/walk.sh", out], cwd=clone, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    typed = [line for line in done.stdout.splitlines() if re.match(r" *\d+  lab ", line)]
    assert len(typed) == MOST_COMMANDS
    shown = re.findall(r"^\| \d+ \|[^|]*\| `(lab [^`]*)`", PAGE.read_text("utf-8"), re.MULTILINE)
    # The script prints words without quotation marks, so only what begins with -- can be compared.
    assert [shape(line) for line in typed] == [shape(line) for line in shown], "the page shows what the script types"
    scores = pl.read_csv(out / "bank" / "scores.csv", infer_schema=False)
    counts = dict(scores["status"].value_counts().iter_rows())
    assert counts == {"scored": 158, "not-matched": 12, "skipped": 2}
    assert "<svg" in (out / "bank" / "portrait.html").read_text("utf-8")


def test_the_example_files_are_those_of_their_maker() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(example_files())
    for name, content in example_files().items():
        assert (FOLDER / name).read_text("utf-8") == content, "python -m tests.support.example_data writes them anew"
