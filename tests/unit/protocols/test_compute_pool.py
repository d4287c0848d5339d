"""Compute pools: the same results in order from every pool, streams in bounded memory, no row lost with a worker."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.compute_pool import (
    ComputePoolError,
    DaskComputePool,
    ProcessComputePool,
    SerialComputePool,
    open_compute_pool,
)
from protocols.matching.bureau import evaluate_register, generate_key

ROWS = [(number, number + 1) for number in range(40)]


def add(one: int, two: int) -> int:
    return one + two


def die_once(folder: str, number: int) -> int:
    """The first process that gets row 7 is killed in the middle of it."""
    mark = Path(folder) / "killed"
    if number == 7 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    raise ValueError("not this one")


def slowly(number: int) -> int:
    time.sleep(0.2)
    return number


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessComputePool]:
    made = ProcessComputePool(2)
    yield made
    made.close()


def test_results_come_in_order(pool: ProcessComputePool) -> None:
    expected = [one + two for one, two in ROWS]
    assert list(pool.map(add, ROWS)) == expected == list(SerialComputePool().map(add, ROWS))
    assert list(pool.map(add, [])) == []


def test_an_endless_stream_is_processed_as_it_is_read(pool: ProcessComputePool) -> None:
    taken = 0

    def endless() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number, 0

    assert list(itertools.islice(pool.map(add, endless()), 30)) == list(range(30))
    assert taken <= 30 + 4


def test_an_error_of_the_function_is_raised_and_the_pool_goes_on(pool: ProcessComputePool) -> None:
    with pytest.raises(ValueError, match="not this one"):
        list(pool.map(refuse, [(1,)]))
    assert list(pool.map(add, ROWS[:3])) == [1, 3, 5]


def test_a_killed_process_loses_no_row(pool: ProcessComputePool, tmp_path: Path) -> None:
    rows = [(str(tmp_path), number) for number in range(20)]
    assert list(pool.map(die_once, rows)) == [number * number for number in range(20)]
    assert (tmp_path / "killed").exists()


def test_work_that_kills_every_process_ends(pool: ProcessComputePool) -> None:
    with pytest.raises(ComputePoolError):
        list(pool.map(die, [(1,)]))


def test_processes_do_not_outlive_their_parent() -> None:
    code = (
        "import os, time\n"
        "from protocols.compute_pool import ProcessComputePool\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessComputePool(1)\n"
        "    print(next(pool.map(os.getpid, [()])), flush=True)\n"
        "    time.sleep(60)\n"
    )
    script = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    assert script.stdout is not None
    with script.stdout as output:
        worker = int(output.readline())
    script.kill()
    script.wait()
    for _ in range(600):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker lives on")


def test_a_pool_has_the_number_of_processes_asked_for() -> None:
    assert isinstance(open_compute_pool(1), SerialComputePool)
    made = open_compute_pool(3)
    assert isinstance(made, ProcessComputePool) and made.size == 3
    made.close()
    with pytest.raises(ValueError):
        ProcessComputePool(0)


def test_a_missing_scheduler_is_reported() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ComputePoolError, match="No Dask scheduler"):
        DaskComputePool("tcp://127.0.0.1:9", timeout=0.5)


def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed() -> None:
    """Two workers in processes of their own; one is killed while the register is evaluated."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        pool = open_compute_pool(cluster=cluster.scheduler_address)
        assert isinstance(pool, DaskComputePool) and pool.size == 2
        key = generate_key("x25519")
        shards = [("x25519", key, [f"r{shard}-{i}" for i in range(400)]) for shard in range(30)]
        expected = [evaluate_register(*shard).tobytes() for shard in shards]
        found = []
        for number, values in enumerate(pool.map(evaluate_register, shards)):
            found.append(values.tobytes())
            if number == 5:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        assert found == expected
        pool.close()
