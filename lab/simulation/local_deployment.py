"""Runs both parties on one machine: ``lab`` commands as separate processes, and the bureau's service.

Commands run with ``--json`` and their one object is parsed; their progress goes to the terminal. All processes end with
the caller, also after an error or Ctrl-C.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.disk.private_files import replace_private
from lab.simulation.process_monitor import MemoryMonitor, kill_process_tree, process_tree
from lab.terms.errors import ERROR_FAMILIES, Conflict, NotFound, ShulabError, Unreachable

_READY_SECONDS = 60.0  # a cold start imports native libraries; a warm one takes two seconds
_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class LocalDeployment:
    """A folder with the homes, key files and logs of both parties. ``show_progress`` shows the commands' progress."""

    folder: Path
    show_progress: bool = True
    _processes: RunningProcesses = field(default_factory=lambda: RunningProcesses(), repr=False, compare=False)

    @property
    def bureau_home(self) -> Path:
        """The bureau's home."""
        return self.folder / "bureau"

    @property
    def bank_home(self) -> Path:
        """The bank's home."""
        return self.folder / "bank"

    @property
    def sessions(self) -> Path:
        """The folder of the officers' sign-ins."""
        return self.folder / "sessions"

    @property
    def logs(self) -> Path:
        """The folder of the commands' and the service's output."""
        return self.folder / "logs"

    def prepare(self) -> None:
        """Make the folder (mode 0700) and a key file for each party; raises ``Conflict`` if it has homes already."""
        if self.bureau_home.exists() or self.bank_home.exists():
            raise Conflict(
                f"Expected a folder without an earlier run; {self.folder.name} has one.",
                next_step="name another --out, or remove it",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.logs.mkdir(exist_ok=True)
        self.sessions.mkdir(mode=0o700, exist_ok=True)
        for party in ("bureau", "bank"):
            replace_private(self.folder / f"{party}.key", secrets.token_bytes(32))

    def key_file(self, party: str) -> Path:
        """The key file that seals the secrets of ``bureau`` or ``bank``."""
        return self.folder / f"{party}.key"

    def run_command(
        self, *words: str | Path, secrets: Mapping[str, str] | None = None, memory: MemoryMonitor | None = None
    ) -> dict[str, Any]:
        """Run one ``lab`` command in its own process and return its JSON object.

        ``secrets`` are passed in the environment, where a list of processes does not show them to others. ``memory``
        monitors the command and its descendants. Raises the error that the command reported, of the same family, or
        ``ShulabError`` if the command failed without a report.
        """
        arguments = [*_lab_command(), *map(str, words), "--json"]
        name = "lab " + " ".join(str(word) for word in words[:2])
        with (self.logs / "commands.log").open("ab") as log:
            log.write(f"$ {name}\n".encode())
            log.flush()
            process = subprocess.Popen(
                arguments,
                stdout=subprocess.PIPE,
                stderr=None if self.show_progress else log,
                env=command_environment() | dict(secrets or {}),
                text=True,
                start_new_session=True,  # Ctrl-C reaches only this process, which then ends the command
            )
            try:
                sampling = memory.sampling(process.pid) if memory else nullcontext()
                with self._processes.listed(process.pid), sampling:
                    text, _ = process.communicate()
            except BaseException:
                kill_process_tree(process.pid)
                process.wait()
                raise
        return _read_reply(name, text, process.returncode)

    def run_for_display(self, *words: str | Path, to_stderr: bool = False) -> None:
        """Run one ``lab`` command for a person; its output goes to this process's stdout, or stderr.

        Raises ``ShulabError`` if it fails; the command has printed the reason.
        """
        process = subprocess.Popen(
            [*_lab_command(), *map(str, words)],
            stdout=sys.stderr.fileno() if to_stderr else None,
            env=command_environment(),
            start_new_session=True,
        )
        try:
            exit_code = process.wait()
        except BaseException:
            kill_process_tree(process.pid)
            process.wait()
            raise
        if exit_code:
            raise _broken_command_error("lab " + " ".join(str(word) for word in words[:2]), exit_code)

    @contextmanager
    def run_beside(self) -> Iterator[Executor]:
        """Threads that run commands beside this one, until the block is left.

        If the block is left by an error or Ctrl-C, the commands under way are ended, and no other one starts.
        """
        with ThreadPoolExecutor(6) as pool:
            try:
                yield pool
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._processes.end_all()
                raise

    @contextmanager
    def run_service(self) -> Iterator[ServiceProcess]:
        """The bureau's service on a free loopback port, until the block is left."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        arguments = [
            *_lab_command(),
            "bureau",
            "serve",
            "--home",
            str(self.bureau_home),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        with (self.logs / "service.log").open("ab") as log:
            process = subprocess.Popen(
                [*arguments, "--port-file", str(port_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=command_environment(),
                start_new_session=True,  # Ctrl-C reaches only this process, which ends the service in order
            )
            service = ServiceProcess(url="", process=process)
            try:
                with self._processes.listed(process.pid):
                    port = _wait_for_port(process, port_file)
                service = ServiceProcess(url=f"http://127.0.0.1:{port}", process=process)
                service.sample_memory()
                yield service
            finally:
                service.stop()


class RunningProcesses:
    """The commands that threads of this process wait for, so that all of them can be ended at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] = set()
        self._ended = False

    @contextmanager
    def listed(self, pid: int) -> Iterator[None]:
        """List a process until the block is left; it is killed if all were ended before."""
        with self._lock:
            self._pids.add(pid)
            ended = self._ended
        if ended:
            kill_process_tree(pid)
        try:
            yield
        finally:
            with self._lock:
                self._pids.discard(pid)

    def end_all(self) -> None:
        """Kill all listed processes, and those that are listed later."""
        with self._lock:
            self._ended = True
            pids = list(self._pids)
        for pid in pids:
            kill_process_tree(pid)


@dataclass
class ServiceProcess:
    """A running service: its address, its process, and its memory."""

    url: str
    process: subprocess.Popen[bytes]
    memory: MemoryMonitor = field(default_factory=MemoryMonitor)
    _sampling: ExitStack = field(default_factory=ExitStack)

    @property
    def peak_rss(self) -> int:
        """The largest total memory of the service and its workers so far, in bytes."""
        return self.memory.peak_bytes

    def sample_memory(self) -> None:
        """Sample the memory of the service and its workers until it is stopped."""
        self._sampling.enter_context(self.memory.sampling(self.process.pid))

    def stop(self) -> None:
        """Ask the service to end; kill it and its workers if it does not."""
        self._sampling.close()
        tree = process_tree(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        for member in tree:
            with suppress(psutil.Error):
                member.kill()
        self.process.wait()


def command_environment() -> dict[str, str]:
    """This process's environment without the settings of real installations, which a simulation must not touch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
    return kept | {"PYTHONUNBUFFERED": "1", "COLUMNS": os.environ.get("COLUMNS", str(_columns()))}


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 120


def _lab_command() -> list[str]:
    # -P: a folder named `lab` in the current folder must not be taken for this package.
    return [sys.executable, "-P", "-m", "lab.cli"]


def _wait_for_port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unreachable(
                f"The bureau's service ended while starting (exit code {process.returncode}).",
                next_step="read logs/service.log in the run's folder",
            )
        with suppress(OSError, ValueError):
            return int(port_file.read_text(encoding="ascii"))
        time.sleep(0.05)
    raise Unreachable(
        f"The bureau's service did not answer within {_READY_SECONDS:.0f} seconds.",
        next_step="read logs/service.log in the run's folder",
    )


def _read_reply(name: str, text: str, exit_code: int) -> dict[str, Any]:
    try:
        reply = json.loads(text)
    except ValueError:
        reply = None
    if exit_code == 0 and isinstance(reply, dict):
        return reply
    if isinstance(reply, Mapping) and "error" in reply:
        family = ERROR_FAMILIES.get(str(reply["error"]), ShulabError)
        raise family(f"`{name}`: {reply.get('detail', '')}", next_step=str(reply.get("next_step", "")))
    if exit_code == 0:
        raise NotFound(f"Expected one JSON object from `{name}`; found none.", next_step="report this as a fault")
    raise _broken_command_error(name, exit_code)


def _broken_command_error(name: str, exit_code: int) -> ShulabError:
    return ShulabError(
        f"`{name}` ended with exit code {exit_code}.", next_step="read its output above, or logs/ in the run's folder"
    )
