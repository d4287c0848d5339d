"""Where the processor time of matching goes: the engine's arithmetic, and the rest, for each process of a phase.

The total is the kernel's account of a process and of its children, so it holds the starts of commands and workers too.
Arithmetic is timed where it is computed (``protocols.matching.arithmetic_time``); the rest is what is left.
"""

from __future__ import annotations

import re
import resource
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.terms.errors import Unreachable

_TOKEN_FILE = "metrics.token"
_METRIC = re.compile(r"^shulab_arithmetic ([0-9.e+-]+)$", re.MULTILINE)


@dataclass(frozen=True)
class ProcessorTime:
    """Processor seconds of one process with its children, in all and of the engine's arithmetic."""

    total: float
    arithmetic: float

    @property
    def rest(self) -> float:
        """Seconds beside the arithmetic."""
        return self.total - self.arithmetic

    def describe(self) -> dict[str, float]:
        """``total``, ``arithmetic`` and ``rest``, to the millisecond; the last two add up to the first."""
        total, arithmetic = round(self.total, 3), round(self.arithmetic, 3)
        return {"total": total, "arithmetic": arithmetic, "rest": round(total - arithmetic, 3)}


def add_up(parts: Mapping[str, ProcessorTime]) -> ProcessorTime:
    """The sum of several processes."""
    return ProcessorTime(sum(part.total for part in parts.values()), sum(part.arithmetic for part in parts.values()))


def describe_phase(parts: Mapping[str, ProcessorTime]) -> dict[str, dict[str, float]]:
    """Each process of a phase by name, and ``all`` of them."""
    return {name: part.describe() for name, part in (*parts.items(), ("all", add_up(parts)))}


def service_arithmetic_seconds(url: str, bureau_home: Path) -> float:
    """Processor seconds of arithmetic for requests, of a running service, from its metrics; raises ``Unreachable``."""
    token = (bureau_home / _TOKEN_FILE).read_text(encoding="ascii").strip()
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            found = _METRIC.search(response.read().decode())
    except OSError:
        found = None
    if found is None:
        raise Unreachable(
            "Expected the service's metrics with the seconds of arithmetic; found none.",
            next_step="read logs/service.log in the run's folder",
        )
    return float(found.group(1))


def commands_cpu_seconds() -> float:
    """Processor seconds so far of the commands that this process started and that have ended, and of their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process_cpu_seconds(pid: int) -> float:
    """Processor seconds so far of a running process and of its children, ended and running."""
    total = 0.0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for member in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                used = member.cpu_times()
                total += used.user + used.system + used.children_user + used.children_system
    return total
