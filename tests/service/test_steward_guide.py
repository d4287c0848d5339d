"""The steward's guide works as written: its commands are typed one after another, on the city that it makes up.

Those that go through the service (``lab steward``) have tests of their own; ``test_readme`` checks their options.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.test_readme import ROOT, shown

GUIDE = ROOT / "docs" / "guides" / "steward.md"
TYPED_ELSEWHERE = ("lab steward ",)


@pytest.mark.timeout(1_800)
def test_each_command_of_the_guide_works_as_written(tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SHULAB_")}
    environment |= {"PYTHONPATH": str(ROOT), "SHULAB_BUREAU_HOME": str(tmp_path / "bureau"), "COLUMNS": "160"}
    said: dict[str, str] = {}
    for line in shown(GUIDE):
        if line.startswith(TYPED_ELSEWHERE):
            continue
        if "corrected.csv" in line:
            correct_rows_set_aside(tmp_path)
        words = [sys.executable, "-P", "-m", "lab.cli", *shlex.split(line, comments=True)[1:]]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}"
        said[line] = done.stdout
    assert len(said) >= 25
    for line, expected in EXPECTED.items():
        assert expected in said[line], f"{line} says otherwise than the guide"
    assert "2 条属于未登记主体" in said["lab bureau register publish --as-of 2026-07-31"]


EXPECTED = {
    "lab bureau legacy-codes import city/legacy-codes.csv": "added 168",
    "lab bureau enterprise 91990108MATCYLFN7B --history": "更正 correct",
    "lab bureau quality assess": "可发布",
    "lab bureau register publish --as-of 2026-07-31": "600 户 enterprises, 88 列 columns",
    "lab bureau records verify": "已核验 Verified",
}


def correct_rows_set_aside(folder: Path) -> None:
    """What the department sends back: the two rows of tax that were set aside, with code and period put right."""
    (aside,) = (folder / "bureau" / "deliveries" / "set-aside").glob("tax-add-*.csv")
    text = aside.read_text("utf-8-sig").replace("9199O104993435251Q", "91990104993435251Q")
    (folder / "corrected.csv").write_text(text.replace("1899-12-30", "2026-03-01"), "utf-8")
