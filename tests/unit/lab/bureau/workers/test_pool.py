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

from lab.bureau.workers.pool import WorkerPool
from lab.terms.errors import InvalidInput, NotAllowed, Unreachable

ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    opened = WorkerPool(1, job_seconds=5, memory_mib=1024)
    yield opened
    opened.close()


def test_results_come_through_from_another_process(pool: WorkerPool) -> None:
    assert pool.run(divmod, 17, 5) == (3, 2)
    assert pool.run(os.getpid) != os.getpid()
    assert pool.run(int, "ff", base=16) == 255


def test_errors_come_through_with_their_next_step(pool: WorkerPool) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        pool.run(int, "x")
    with pytest.raises(NotAllowed) as caught:
        pool.run(exec, "from lab.terms.errors import NotAllowed\nraise NotAllowed('no', next_step='ask')")
    assert caught.value.next_step == "ask"


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("import ctypes; ctypes.string_at(0)", id="crash"),
        pytest.param("import time; time.sleep(3600)", id="hang"),
        pytest.param("bytearray(4 * 1024 ** 3)", id="memory"),
    ],
)
def test_a_job_that_does_harm_ends_alone(pool: WorkerPool, harm: str) -> None:
    with pytest.raises(InvalidInput, match="evaluation failed"):
        pool.run(exec, harm)
    assert pool.run(divmod, 17, 5) == (3, 2)


def test_the_processor_time_of_jobs_is_counted_with_the_fork_server(pool: WorkerPool) -> None:
    """A job's process has ended when its result is there, but its end may be a moment later."""
    pool.run(exec, "n = sum(range(20_000_000))")
    server, waited = psutil.Process(pool.fork_server_pid), 0.0
    while not server.cpu_times().children_user > 0.1 and waited < 20:
        time.sleep(0.05)
        waited += 0.05
    assert server.cpu_times().children_user > 0.1
    assert not server.children()


@pytest.mark.parametrize("said", ["half", "nonsense", "pickle", "too much", "deep"])
def test_an_answer_that_is_none_is_noticed(pool: WorkerPool, said: str) -> None:
    with pytest.raises(InvalidInput, match="evaluation failed"):
        pool.run(exec, _SAY[said])
    assert pool.run(divmod, 17, 5) == (3, 2)


_SAY = {
    "half": "import os; os.write(3, bytes(7) + b'9{\"val'); os._exit(0)",
    "nonsense": "import os; os.write(3, bytes(7) + b'\\x02' + b'[]'); os._exit(0)",
    "pickle": "import os, pickle; os.write(3, pickle.dumps(os.system)); os._exit(0)",
    "too much": "import os\nwhile True: os.write(3, bytes(1 << 20))",
    "deep": "import os; os.write(3, (100_000).to_bytes(8, 'big') + b'[' * 100_000); os._exit(0)",
}


def test_a_crash_spares_the_job_beside_it() -> None:
    pool = WorkerPool(2, job_seconds=60, memory_mib=1024)
    try:
        pool.warm_up()
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(pool.run, exec, "import time; time.sleep(1)")
            crash = threads.submit(pool.run, exec, "import os; os.abort()")
            assert isinstance(crash.exception(), InvalidInput)
            assert slow.exception() is None
    finally:
        pool.close()


def test_a_template_that_died_idle_is_replaced_without_blame(pool: WorkerPool) -> None:
    pool.warm_up()
    template = psutil.Process(pool.fork_server_pid)
    template.kill()
    template.wait()
    assert pool.run(divmod, 17, 5) == (3, 2)
    assert pool.fork_server_pid != template.pid


def test_after_a_death_the_next_workers_lie_at_other_addresses(pool: WorkerPool) -> None:
    pool.warm_up()
    before = pool.fork_server_pid
    with pytest.raises(InvalidInput):
        pool.run(exec, "import os; os.abort()")
    assert pool.fork_server_pid != before


def test_a_job_whose_worker_was_killed_by_something_else_is_done_by_another() -> None:
    pool = WorkerPool(1, job_seconds=60, memory_mib=1024)
    try:
        pool.warm_up()
        template = psutil.Process(pool.fork_server_pid)
        with ThreadPoolExecutor(1) as threads:
            job = threads.submit(pool.run, exec, "import time; time.sleep(3)")
            while not (workers := template.children()):
                time.sleep(0.01)
            workers[0].kill()
            assert job.result() is None
    finally:
        pool.close()


def test_no_two_jobs_are_done_by_one_process(pool: WorkerPool) -> None:
    assert len({pool.run(os.getpid) for _ in range(5)}) == 5


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
        "from lab.bureau.workers.pool import WorkerPool\n"
        "if __name__ == '__main__':\n"
        "    pool = WorkerPool(1, job_seconds=600, memory_mib=1024)\n"
        "    pool.warm_up()\n"
        "    print(pool.fork_server_pid, flush=True)\n"
        "    pool.run(time.sleep, 600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        template = psutil.Process(int(service.stdout.readline()))
        while not template.children():
            time.sleep(0.01)
        worker = template.children()[0]
        service.kill()
    template.wait(60)
    worker.wait(60)  # raises if it still is there
