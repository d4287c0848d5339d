"""A bank sends bytes that are made to end, hang or fill whatever reads them in native code.

One batch is enough to take the service from everybody, if it is read in the service's own process. What stops it:
native code reads strangers' bytes in a process of its own, with limits of memory and time, whose death costs the one
batch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bureau.workers.pool import WorkerPool
from lab.terms.errors import InvalidInput

pytestmark = pytest.mark.threat(
    "Bytes that kill native code",
    who="a bank",
    wants="to stop the service with bytes that crash, hang or exhaust the native code that reads them",
    stopped_by={
        "own process": "Native code reads a bank's bytes in a process of its own; if it dies, one batch is lost.",
        "limits": "That process has limits of memory and time.",
    },
    code=["lab.bureau.workers.pool"],
)

ROOT = Path(__file__).resolve().parents[2]
FLOOD = 1100 * 1024**2  # more than a worker may have
HARM = {
    "a crash": "import ctypes; ctypes.string_at(0)",
    "a hang": "import time; time.sleep(3600)",
    "a flood": f"bytearray({FLOOD})",
}
"""What such bytes make of a parser in C++: an uncaught exception, a loop without end, an allocation of any size. Which
bytes did so in SEAL, and that they are refused now: `tests/protocol/test_scoring_hostile.py`."""
harms = pytest.mark.parametrize("harm", HARM)


@pytest.mark.without_control("own process")
@pytest.mark.parametrize("harm", ["a crash", "a hang"])
def test_without_a_process_of_their_own_the_service_is_gone(harm: str) -> None:
    """A service that reads in its own process: it never comes to its second request."""
    service = f"exec({HARM[harm]!r}); print('second request answered', flush=True)"
    with subprocess.Popen([sys.executable, "-c", service], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            said, _ = process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
    assert said == "" and process.returncode != 0


@pytest.mark.without_control("limits")
def test_without_limits_the_flood_is_let_in() -> None:
    service = f"print(len(bytearray({FLOOD})), flush=True)"
    done = subprocess.run([sys.executable, "-c", service], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == str(FLOOD)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    opened = WorkerPool(1, job_seconds=5, memory_mib=1024)
    yield opened
    opened.close()


@pytest.mark.with_control("own process", "limits")
@harms
def test_it_costs_one_batch(pool: WorkerPool, harm: str) -> None:
    with pytest.raises(InvalidInput, match="the worker that read the message was ended"):
        pool.run(exec, HARM[harm])
    assert pool.run(divmod, 17, 5) == (3, 2) and pool.run(os.getpid) != os.getpid()
