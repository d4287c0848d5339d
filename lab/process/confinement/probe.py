"""Whether workers can be confined on this machine: a process confines itself as a worker does, and then tries.

No version is checked. The result is what the process could do before and could not do afterwards.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from lab.process.confinement.process_confinement import (
    Confinement,
    ConfinementUnavailable,
    open_file,
    open_socket,
)
from lab.process.memory_protection import disable_core_dumps

_PR_GET_DUMPABLE = 3
_SECONDS = 60
_MEMORY = 4 * 1024**3
PROTECTION_NAMES = ("landlock", "seccomp", "network", "dumps")


@dataclass(frozen=True, slots=True)
class ProtectionStatus:
    """One protection: whether it works, and what was observed. A worker gets no job unless all of them work."""

    name: str
    works: bool
    observed: str


def probe_protections() -> list[ProtectionStatus]:
    """The status of every protection, tried in a process of its own."""
    script = (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]); import lab.process.confinement.probe as p; p.main()"
    )
    paths = json.dumps([os.path.abspath(one) for one in sys.path])
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", script, paths],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        results = json.loads(done.stdout)
        return [ProtectionStatus(name, bool(results[name][0]), str(results[name][1])) for name in PROTECTION_NAMES]
    except (OSError, ValueError, KeyError, IndexError, TypeError, subprocess.TimeoutExpired):
        return [
            ProtectionStatus(name, False, "the probing process ended without a result") for name in PROTECTION_NAMES
        ]


def main() -> None:
    """The probing process: try, confine itself, try again, and write the results."""
    before = {name: _fails(attempt) for name, attempt in _ATTEMPTS.items()}
    results: dict[str, tuple[bool, str]] = {"dumps": _probe_dumps()}
    try:
        missing = Confinement(required=False).enter(memory=_MEMORY, seconds=_SECONDS)
    except (OSError, ConfinementUnavailable) as error:
        missing = (type(error).__name__,)
    after = {name: _fails(attempt) for name, attempt in _ATTEMPTS.items()}
    for name, attempt in after.items():
        results[name] = (attempt, "refused" if attempt else "; ".join(missing) or "allowed")
        if before[name] and attempt:
            results[name] = (True, "refused, also to a process that is not confined")
    os.write(1, json.dumps(results).encode())


def _fails(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _call_forbidden() -> None:
    """getpriority(2): harmless, and not on the list of allowed calls."""
    os.getpriority(os.PRIO_PROCESS, 0)


def _probe_dumps() -> tuple[bool, str]:
    try:
        disable_core_dumps()
        works = ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
    except (OSError, AttributeError) as error:
        return False, type(error).__name__
    return works, "refused" if works else "allowed"


_ATTEMPTS: dict[str, Callable[[], None]] = {
    "landlock": open_file,
    "seccomp": _call_forbidden,
    "network": open_socket,
}
