"""Processor time of both parties, which other work on the same cores hardly affects."""

from __future__ import annotations

import resource
from contextlib import suppress

import psutil


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
