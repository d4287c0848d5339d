"""Commands that run beside the caller end with it: nothing is left running after an error."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.simulation.local_deployment import LocalDeployment, RunningProcesses
from lab.terms.errors import ShulabError


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_listed_processes_are_ended_together_and_later_ones_at_once() -> None:
    running = RunningProcesses()
    first, other, later = sleeper(), sleeper(), sleeper()
    with running.listed(first.pid):
        with running.listed(other.pid):
            pass  # it has ended by itself, as far as the list knows
        running.end_all()
        assert first.wait(20) != 0
    assert other.poll() is None
    with running.listed(later.pid):
        assert later.wait(20) != 0
    other.kill()
    other.wait()


def test_an_error_ends_the_command_that_runs_beside(tmp_path: Path) -> None:
    deployment = LocalDeployment(tmp_path / "run", show_progress=False)
    deployment.prepare()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), deployment.run_beside() as beside:
        # It would wait for a bureau that nobody starts.
        found = beside.submit(deployment.run_command, "bureau", "serve", "--home", tmp_path / "none", "--port", "0")
        del found
        waiting = beside.submit(deployment.run_command, "bench", "scoring", "--enterprises", "1000000")
        time.sleep(1)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 60
    with pytest.raises(ShulabError):
        waiting.result()
