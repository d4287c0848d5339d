"""The stage both parties stand on: runs ``lab`` commands as processes of their own, keeps the service up, ends it.

Commands are called with ``--json`` and their one object is read; what they show of their progress goes straight to the
terminal. Nothing started here outlives the stage: leaving it, by an error or Ctrl-C too, ends every process.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from lab.disk.private_files import replace_private
from lab.terms.errors import ERROR_FAMILIES, Conflict, NotFound, ShulabError, Unreachable

_READY_SECONDS = 60.0  # a cold start imports native libraries; a warm one takes two seconds
_STOP_SECONDS = 15.0
_SAMPLE_SECONDS = 0.05  # a batch is evaluated in tenths of a second, so its peak is seen


@dataclass(frozen=True)
class LocalDeployment:
    """A folder with the homes, key files and logs of both parties. ``show`` passes the commands' progress on."""

    folder: Path
    show_progress: bool = True

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
        """Where the sign-ins of the bureau's officers are kept."""
        return self.folder / "sessions"

    @property
    def logs(self) -> Path:
        """Where the commands' and the service's output is kept."""
        return self.folder / "logs"

    def prepare(self) -> None:
        """Make the folder (mode 0700) and a key file for each party; ``Conflict`` if homes stand here already."""
        if self.bureau_home.exists() or self.bank_home.exists():
            raise Conflict(
                f"The folder {self.folder.name} holds an earlier run.", next_step="name another --out, or remove it"
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

        ``secrets`` go to it as variables of its environment, where no list of processes shows them to others.
        ``memory`` watches the command and what it starts.
        Raises the ``ShulabError`` that the command reported, of the same family; ``ShulabError`` if it broke.
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
                start_new_session=True,  # Ctrl-C reaches us alone; we end the command, also one that is just starting
            )
            try:
                with memory.sampling(process.pid) if memory else nullcontext():
                    text, _ = process.communicate()
            except BaseException:
                kill_process_tree(process.pid)
                process.wait()
                raise
        return _read_reply(name, text, process.returncode)

    def run_for_display(self, *words: str | Path, to_stderr: bool = False) -> None:
        """Run one ``lab`` command for a person: what it prints goes to our stdout, or stderr.

        Raises ``ShulabError`` if it fails; it has said why itself.
        """
        with (self.logs / "commands.log").open("ab") as log:
            aside = None if self.show_progress else log
            process = subprocess.Popen(
                [*_lab_command(), *map(str, words)],
                stdout=sys.stderr.fileno() if to_stderr and self.show_progress else aside,
                stderr=aside,
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
                start_new_session=True,  # Ctrl-C reaches us alone; we end the service in order
            )
            service = ServiceProcess(url="", process=process)
            try:
                service = ServiceProcess(url=f"http://127.0.0.1:{_wait_for_port(process, port_file)}", process=process)
                service.sample_memory()
                yield service
            finally:
                service.stop()


@dataclass
class MemoryMonitor:
    """The largest memory that the processes watched held together so far, in bytes."""

    peak_bytes: int = 0

    @contextmanager
    def sampling(self, pid: int) -> Iterator[None]:
        """Sample the memory of a process and its descendants until the block is left."""
        over = threading.Event()

        def sample() -> None:
            while not over.wait(_SAMPLE_SECONDS):
                self.peak_bytes = max(self.peak_bytes, process_tree_rss(pid))

        watcher = threading.Thread(target=sample, name="memory", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@dataclass
class ServiceProcess:
    """A running service: its address, and the largest memory its processes held together so far."""

    url: str
    process: subprocess.Popen[bytes]
    memory: MemoryMonitor = field(default_factory=MemoryMonitor)
    _watched: ExitStack = field(default_factory=ExitStack)

    @property
    def peak_rss(self) -> int:
        """Bytes."""
        return self.memory.peak_bytes

    def sample_memory(self) -> None:
        """Sample the memory of the service and its workers until it is stopped."""
        self._watched.enter_context(self.memory.sampling(self.process.pid))

    def stop(self) -> None:
        """Ask the service to end, and end it and its workers if it does not."""
        self._watched.close()
        tree = _tree(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        for member in tree:
            with suppress(psutil.Error):
                member.kill()
        self.process.wait()


def process_tree_rss(pid: int) -> int:
    """Resident bytes of a process and its descendants, summed (pages they share count more than once)."""
    total = 0
    for member in _tree(pid):
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def kill_process_tree(pid: int) -> None:
    """Kill a process and its descendants."""
    for member in reversed(_tree(pid)):
        with suppress(psutil.Error):
            member.kill()


def command_environment() -> dict[str, str]:
    """Our environment without settings of real installations, which a rehearsal must not touch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHULAB_")}
    return kept | {"PYTHONUNBUFFERED": "1", "COLUMNS": os.environ.get("COLUMNS", str(_columns()))}


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn a request to terminate into an exit that passes through every ``finally``."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 120


def _lab_command() -> list[str]:
    # -P: a folder named `lab` where the person stands must not be taken for this package.
    return [sys.executable, "-P", "-m", "lab.cli"]


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _wait_for_port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unreachable(
                f"The bureau's service ended at its start (exit code {process.returncode}).",
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
        raise NotFound(f"Wanted one JSON object from `{name}`; found none.", next_step="report this as a fault")
    raise _broken_command_error(name, exit_code)


def _broken_command_error(name: str, exit_code: int) -> ShulabError:
    return ShulabError(
        f"`{name}` ended with exit code {exit_code}.", next_step="read its output above, or logs/ in the run's folder"
    )
