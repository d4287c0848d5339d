"""The processes of a compute pool: what they load, how they end, and that their processor time is counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.compute_pool import ComputePoolError, ProcessComputePool
from protocols.compute_worker import WorkerGroup

COMMAND = """
import resource, sys
import typer, rich.console, polars
from protocols.compute_pool import ProcessComputePool

def main():
    pool = ProcessComputePool(2, ("protocols.matching.bank",))
    (loaded,) = pool.map(eval, [("sorted(__import__('sys').modules)",)])
    list(pool.map(eval, [("[n for n in range(3_000_000)] and 0",)] * 4))
    pool.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("protocols.matching.bank" in loaded, sorted({"typer", "rich", "polars"} & set(loaded)))
    print(used.ru_utime + used.ru_stime > 0.2)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def group() -> Iterator[WorkerGroup]:
    made = WorkerGroup(2)
    yield made
    made.close()


def test_workers_load_the_named_modules_and_nothing_of_the_command(tmp_path: Path) -> None:
    """Nor do they keep processor time to themselves: it is the command's when the pool is closed."""
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    paths = {"PYTHONPATH": str(Path.cwd()), "PATH": ""}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=paths, timeout=120)
    assert done.stdout.split("\n")[:2] == ["True []", "True"], done.stderr


def test_each_worker_has_its_own_connection_and_gives_results_or_errors(group: WorkerGroup) -> None:
    first, second = group.connections
    first.send((eval, ("__import__('os').getpid()",)))
    second.send((eval, ("__import__('os').getpid()",)))
    (one_done, one), (two_done, two) = first.recv(), second.recv()
    assert one_done and two_done and one != two
    first.send((int, ("not a number",)))
    done, error = first.recv()
    assert not done and isinstance(error, ValueError)
    first.send((eval, ("1 + 1",)))
    assert first.recv() == (True, 2)


def test_a_group_can_be_closed_while_it_starts() -> None:
    WorkerGroup(3, ("numpy",)).close()


def test_modules_that_do_not_load_are_an_error_and_not_a_wait(capfd: pytest.CaptureFixture[str]) -> None:
    pool = ProcessComputePool(1, ("no_such_module_here",))
    with pytest.raises(ComputePoolError):
        list(pool.map(int, [()]))
    pool.close()
    assert "no_such_module_here" in capfd.readouterr().err
