"""A process of the bureau's user, or who later reads its disk, wants the keys that the service has opened in memory.

A crash that dumps core writes all of it to a file, where no seal protects it; and a process of the same user that was
taken over (a worker, another service) reads it from /proc/PID/mem. What stops it: the service, the templates of its
workers, its crews and every ``lab`` command say as they begin that they must not be dumped (PR_SET_DUMPABLE, and no
core size), whatever takes cores on the machine. What a process begins is another program, which anybody of its user may
read: it does not inherit the variables that hold seal keys and passwords.

The victim and the one who reads are ordinary users: root may read anybody's memory in any case.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.workers.pool import WorkerPool
from protocols.compute_pool import ProcessComputePool

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
AS_NOBODY = f"""
import ctypes, os, sys
from lab.process.memory_protection import disable_core_dumps
def drop():
    if os.getuid() == 0:
        os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as a process that began as this user
"""
VICTIM = (
    AS_NOBODY
    + """
secret = os.urandom(32)
drop()
if sys.argv[1] == "closed":
    disable_core_dumps()
print(os.getpid(), id(secret) + bytes.__basicsize__ - 1, secret.hex(), flush=True)
sys.stdin.readline()
os.abort()
"""
)
READER = (
    AS_NOBODY
    + """
drop()
with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
    memory.seek(int(sys.argv[2]))
    print(memory.read(32).hex())
"""
)

pytestmark = [
    pytest.mark.threat(
        "Core dumps",
        who="somebody on the machine",
        wants="to read keys from a core file, or from the memory of a process of the same user",
        stopped_by={
            "memory closed": "No process that opens keys can be read by another process of its user.",
            "no core": "No process that opens keys leaves a core file.",
        },
        code=["lab.process.memory_protection"],
    ),
    pytest.mark.threat(
        "Inherited environment",
        who="somebody on the machine",
        wants="to read seal keys and passwords from the environment of a process that another one starts",
        stopped_by={
            "environment filtered": "No process inherits the variables that hold them.",
        },
        code=["lab.process.memory_protection"],
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /proc and prctl"),
]


@contextmanager
def victim(folder: Path, how: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process with a secret, in a folder where cores go, if anything goes there."""
    folder.chmod(0o777)
    process = subprocess.Popen(
        [sys.executable, "-c", VICTIM, how],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2),
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process, process.stdout.readline().split()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def stolen(pid: str, address: str) -> str:
    """What another process of the same user reads there."""
    words = [sys.executable, "-c", READER, pid, address]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def core_of(folder: Path, how: str) -> list[Path]:
    with victim(folder, how) as (process, _):
        process.send_signal(signal.SIGABRT)
        process.wait(60)
    return [path for path in folder.iterdir() if "core" in path.name]


@pytest.mark.without_control("memory closed")
def test_an_open_process_is_read_by_another_of_its_user(tmp_path: Path) -> None:
    with victim(tmp_path, "open") as (_, (pid, address, secret)):
        if stolen(pid, address) != secret:
            pytest.skip("this machine itself forbids it (Yama's ptrace_scope, or a container)")


@pytest.mark.with_control("memory closed")
def test_a_closed_process_is_not_read_by_another_of_its_user(tmp_path: Path) -> None:
    with victim(tmp_path, "closed") as (_, (pid, address, _)):
        assert stolen(pid, address) == ""


@pytest.mark.without_control("no core")
def test_an_open_process_that_crashes_leaves_its_memory_in_a_file(tmp_path: Path) -> None:
    if not core_of(tmp_path, "open"):
        pytest.skip("this machine writes no core files here (core_pattern, or the limit of its sessions)")


@pytest.mark.with_control("no core")
def test_a_closed_process_that_crashes_leaves_nothing(tmp_path: Path) -> None:
    assert core_of(tmp_path, "closed") == []


DUMPABLE = "__import__('ctypes').CDLL(None).prctl(3, 0, 0, 0, 0)"
SERVICE = f"""
import os, signal, sys, threading, time
from pathlib import Path
def tell():
    port = Path(sys.argv[2])
    while not port.exists():
        time.sleep(0.05)
    print({DUMPABLE}, __import__('resource').getrlimit(4)[0], flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=tell, daemon=True).start()
from sandbox.app import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, Path(sys.argv[2]))
"""
COMMAND = f"""
import sys
from lab import cli
cli.build_app = lambda called: lambda **_: print({DUMPABLE}, flush=True)
sys.argv = ["lab", "bank", "whatever"]
cli.main()
"""


@pytest.mark.with_control("memory closed", "no core")
def test_the_running_service_cannot_be_dumped(tmp_path: Path) -> None:
    Bureau.create(tmp_path / "bureau", name="某局").close()
    words = [sys.executable, "-c", SERVICE, str(tmp_path / "bureau"), str(tmp_path / "port")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", "0"], done.stderr


@pytest.mark.with_control("memory closed", "no core")
def test_no_lab_command_can_be_dumped() -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.with_control("memory closed", "no core")
def test_neither_workers_nor_crews_can_be_dumped() -> None:
    crew = ProcessComputePool(1)
    pool = WorkerPool(1, job_seconds=20, memory_mib=4096)
    try:
        assert list(crew.map(eval, [(DUMPABLE,)])) == [0]
        assert pool.run(eval, "__import__('resource').getrlimit(4)") == (0, 0)
        status = Path(f"/proc/{pool.fork_server_pid}/limits").read_text()
        assert any(line.startswith("Max core file size") and line.split()[4] == "0" for line in status.splitlines())
    finally:
        pool.close()
        crew.close()


BEGINS = """
import os, sys
if __name__ == "__main__":
    from pathlib import Path
    import psutil
    from lab import cli
    from protocols.compute_pool import ProcessComputePool
    if sys.argv[1] == "open":
        cli.hide_environment_from_children = lambda: None
    def command(**_):
        crew = ProcessComputePool(1)
        list(crew.map(int, [()]))
        seen = [Path(f"/proc/{one.pid}/environ").read_bytes() for one in psutil.Process().children(recursive=True)]
        print(len(seen), sum(b"a seal key" in one for one in seen), os.environ["SHULAB_BUREAU_SEAL_KEY"], flush=True)
        crew.close()
    cli.build_app = lambda called: command
    cli.main()
"""


def inherited(folder: Path, how: str) -> list[str]:
    """How many processes a command with a crew has begun, and how many of them have its seal key; and the command's."""
    script = folder / "begins.py"
    script.write_text(BEGINS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHULAB_BUREAU_SEAL_KEY": "a seal key"}
    done = subprocess.run(
        [sys.executable, str(script), how], env=environment, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip().split(" ", 2)


@pytest.mark.without_control("environment filtered")
def test_without_a_look_at_the_environment_each_process_that_is_begun_has_the_seal_key(tmp_path: Path) -> None:
    assert inherited(tmp_path, "open") == ["2", "2", "a seal key"]


@pytest.mark.with_control("environment filtered")
def test_no_process_that_is_begun_has_the_seal_key(tmp_path: Path) -> None:
    assert inherited(tmp_path, "closed") == ["2", "0", "a seal key"]
