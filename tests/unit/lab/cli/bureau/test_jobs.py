"""``lab bureau jobs`` on the bureau's machine, without a service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.bureau_scene import Scene


def lab(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab.cli", "bureau", "jobs", "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_lists_jobs_in_pages(scene: Scene) -> None:
    contract = scene.contract()
    for number in range(3):
        scene.bank.open_job(scene.bureau, contract, f"job-{number}", rows=10)
        scene.later(hours=1)
    shown = lab(scene.home, "--limit", "2")
    assert shown.returncode == 0, shown.stderr
    assert "job-2" in shown.stdout and "job-1" in shown.stdout and "job-0" not in shown.stdout
    assert f"lab bureau jobs --after {contract}/job-1" in shown.stdout
    rest = json.loads(lab(scene.home, "--after", f"{contract}/job-1", "--json").stdout)
    assert [one["job"] for one in rest["jobs"]] == ["job-0"]
    assert rest["next"] is None and rest["jobs"][0]["batches"] == []
    assert "No jobs" in lab(scene.home, "--waiting").stdout
    assert lab(scene.home, "--after", "nonsense").returncode == 3
    assert lab(scene.home, "--after", f"{contract}/job-9").returncode == 7
