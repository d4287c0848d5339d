"""Workers: results and errors come through; a crash, a hang or too much memory ends one job and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lab.bureau.workers import WorkerPool
from lab.terms.errors import InvalidInput, Refused, Unreachable

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    opened = WorkerPool(1, job_seconds=2, memory_mib=1024)
    yield opened
    opened.close()


def test_results_come_through_from_another_process(pool: WorkerPool) -> None:
    assert pool.run(divmod, 17, 5) == (3, 2)
    assert pool.run(os.getpid) != os.getpid()
    assert pool.run(int, "ff", base=16) == 255


def test_errors_come_through_with_their_next_step(pool: WorkerPool) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run(int, "x")
    with pytest.raises(Refused) as caught:
        pool.run(exec, "from lab.terms.errors import Refused\nraise Refused('no', next_step='ask')")
    assert caught.value.next_step == "ask"


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", id="crash"),
        pytest.param("import time; time.sleep(3600)", id="hang"),
        pytest.param("bytearray(4 * 1024 ** 3)", id="memory"),
    ],
)
def test_a_job_that_does_harm_ends_alone(pool: WorkerPool, harm: str) -> None:
    with pytest.raises(InvalidInput, match="evaluation failed"):
        pool.run(exec, harm)
    assert pool.run(divmod, 17, 5) == (3, 2)


@pytest.mark.timeout(120)  # without the pool's care it waits for ever
def test_a_worker_that_dies_in_the_middle_of_its_result_is_noticed(pool: WorkerPool) -> None:
    with pytest.raises(InvalidInput, match="evaluation failed"):
        pool.run(exec, _DIE_MIDWAY)
    assert pool.run(divmod, 17, 5) == (3, 2)


_DIE_MIDWAY = """
import os
from multiprocessing.connection import Connection
def half(connection, buffer):
    os.write(connection._handle, buffer[: len(buffer) // 2])
    os.kill(os.getpid(), 9)
Connection._send = half
"""


def test_a_crash_spares_the_job_beside_it() -> None:
    pool = WorkerPool(2, job_seconds=60, memory_mib=1024)
    try:
        pool.warm()
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(pool.run, exec, "import time; time.sleep(1)")
            crash = threads.submit(pool.run, exec, "import os; os.abort()")
            assert isinstance(crash.exception(), InvalidInput)
            assert slow.exception() is None
    finally:
        pool.close()


def test_a_worker_that_died_idle_is_replaced_without_blame(pool: WorkerPool) -> None:
    worker = psutil.Process(pool.run(os.getpid))
    worker.kill()
    worker.wait()
    assert pool.run(os.getpid) != worker.pid


def test_a_job_whose_worker_was_killed_by_something_else_is_done_by_another(pool: WorkerPool, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    once = (
        "import os, pathlib; p = pathlib.Path(r'%s'); new = not p.exists(); p.touch(); new and os.kill(os.getpid(), 9)"
    )
    pool.run(exec, once % seen)
    assert seen.exists()


def test_workers_write_no_core_file_and_leave_ctrl_c_to_the_service(pool: WorkerPool) -> None:
    import resource

    assert pool.run(resource.getrlimit, resource.RLIMIT_CORE) == (0, 0)
    assert pool.run(signal.getsignal, signal.SIGINT) == signal.SIG_IGN


def test_a_closed_pool_says_so_also_to_those_who_wait() -> None:
    pool = WorkerPool(1, job_seconds=60, memory_mib=1024)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(pool.run, exec, "import time; time.sleep(1.5)")
        while pool._places.qsize():
            time.sleep(0.01)
        closing = threads.submit(pool.close)
        waiting = threads.submit(pool.run, os.getpid)
        assert first.exception() is None
        closing.result()
        outcome = waiting.exception()
        assert outcome is None or isinstance(outcome, Unreachable)
    pool.close()
    with pytest.raises(Unreachable):
        pool.run(os.getpid)


def test_workers_do_not_outlive_a_killed_service() -> None:
    script = (
        "import os, time\n"
        "from lab.bureau.workers import WorkerPool\n"
        "if __name__ == '__main__':\n"
        "    pool = WorkerPool(1, job_seconds=600, memory_mib=1024)\n"
        "    print(pool.run(os.getpid), flush=True)\n"
        "    pool.run(time.sleep, 600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        worker = psutil.Process(int(service.stdout.readline()))
        service.kill()
    worker.wait(60)  # raises if it still is there
