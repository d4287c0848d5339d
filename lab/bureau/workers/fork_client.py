"""The service's side: starts a fork server, asks it for processes, sends each its job, and reads its result."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lab.bureau.workers import results
from lab.bureau.workers.settings import WorkerSettings
from lab.process.confinement import ConfinementUnavailable

_BEGIN = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3]); "
    "from lab.bureau.workers.fork_server import serve_forks; from lab.bureau.workers.settings import WorkerSettings; "
    "serve_forks(int(sys.argv[1]), WorkerSettings.from_json(sys.argv[2]))"
)
_WORKER_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SHULAB_X25519")
"""Environment variables for workers: how libraries compute here. All others, perhaps with the seal key, stay here."""
_START_SECONDS = 120
_CHUNK = 1 << 20


class WorkerLost(Exception):
    """The fork server, or the process with the job, ended without a result, took too long, or sent a malformed one."""

    def __init__(self, *, late: bool = False) -> None:
        super().__init__()
        self.late = late


class ForkServer:
    """A running fork server. ``start_worker`` is safe from several threads; ``close`` ends it and its processes."""

    def __init__(self, settings: WorkerSettings) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        words = [str(theirs.fileno()), settings.to_json(), json.dumps([os.path.abspath(one) for one in sys.path])]
        kept = {name: os.environ[name] for name in _WORKER_VARIABLES if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BEGIN, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
                pass_fds=(theirs.fileno(),),
            )
        self._socket = ours
        self._socket.settimeout(_START_SECONDS)
        self._lock = threading.Lock()
        self._ready = False
        self._seconds = settings.seconds
        self._jobs: set[WorkerProcess] = set()

    @property
    def pid(self) -> int:
        """The fork server's process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it has loaded everything; raises ``WorkerLost``."""
        with self._lock:
            self._wait()

    def start_worker(self) -> WorkerProcess:
        """A process for one job; raises ``WorkerLost``."""
        job_end, job = os.pipe2(os.O_CLOEXEC)
        result, result_end = os.pipe2(os.O_CLOEXEC)
        try:
            with self._lock:
                self._wait()
                process = self._ask(job_end, result_end)
        except BaseException:
            os.close(job)
            os.close(result)
            raise
        finally:
            os.close(job_end)
            os.close(result_end)
        begun = WorkerProcess(job, result, process, self._jobs.discard)
        self._jobs.add(begun)
        return begun

    def retire(self) -> None:
        """Close when the last job in progress has ended, or after the time that a job may take."""
        until = time.monotonic() + self._seconds
        while self._jobs and time.monotonic() < until:
            time.sleep(0.1)
        self.close()

    def close(self) -> None:
        """End the fork server; a process that still has a job is killed with it."""
        self._socket.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:  # it is loading, or stuck
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        if self._ready:
            return
        try:
            if self._socket.recv(1) != b"r":
                raise WorkerLost
        except OSError:
            raise WorkerLost from None
        self._ready = True

    def _ask(self, *pipes: int) -> int:
        try:
            socket.send_fds(self._socket, [b"j"], pipes)
            message, processes, _, _ = socket.recv_fds(self._socket, 1, 1)
        except OSError:
            raise WorkerLost from None
        if not message or len(processes) != 1:
            raise WorkerLost
        os.set_inheritable(processes[0], False)
        return processes[0]


class WorkerProcess:
    """A process that waits for its one job. Close it when done."""

    def __init__(self, job: int, result: int, process: int, ended: Callable[[WorkerProcess], None]) -> None:
        self._job, self._result, self._process, self._ended = job, result, process, ended

    def run(self, job: bytes, seconds: float) -> bytes:
        """The packed result of the job; call it once. Raises ``WorkerLost``, or first ``ConfinementUnavailable``."""
        until = time.monotonic() + seconds
        if self._read(until, 1) != results.CONFINED:
            raise ConfinementUnavailable(self._take(until).decode(errors="replace"))
        self._give(job)
        return self._take(until)

    def close(self) -> None:
        """Kill the process if it is still running."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        for descriptor in (self._job, self._result, self._process):
            if descriptor >= 0:
                os.close(descriptor)
        self._ended(self)

    def _give(self, job: bytes) -> None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._job, fcntl.F_SETPIPE_SZ, _CHUNK)  # fewer writes; a machine may allow less
        view = memoryview(job)
        with contextlib.suppress(BrokenPipeError):  # its result says why, or is missing
            while view:
                view = view[os.write(self._job, view[:_CHUNK]) :]
        os.close(self._job)
        self._job = -1

    def _take(self, until: float) -> bytes:
        result = bytearray(self._read(until, _CHUNK))
        while piece := self._read(until, _CHUNK, ended=True):
            result += piece
            if len(result) > results.MAX_RESULT_BYTES:
                raise WorkerLost(late=True)
        return bytes(result)

    def _read(self, until: float, most: int, *, ended: bool = False) -> bytes:
        """The next bytes; ``ended``: there may be none."""
        waiting = select.poll()
        waiting.register(self._result, select.POLLIN)
        left = until - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise WorkerLost(late=True)
        piece = os.read(self._result, most)
        if not piece and not ended:
            raise WorkerLost
        return piece


def read_worker_result(result: bytes, errors: dict[str, type[Exception]]) -> Any:
    """The result of a job, see ``results.unpack_result``; raises ``WorkerLost`` if it is cut off or malformed."""
    try:
        return results.unpack_result(result, errors)
    except results.MalformedResult:
        raise WorkerLost from None
