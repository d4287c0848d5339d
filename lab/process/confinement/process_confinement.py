"""The confinement of a worker that runs native code on strangers' bytes. The worker confines itself.

Landlock (Linux 5.13 and later) leaves it no file but ``/dev/urandom``, no TCP, and no signal to a process outside. A
filter of system calls (``system_calls``) leaves it what computing needs. Its sizes are limited and it cannot be dumped.

Open files stay open: close them first. Load all code first as well, and run no other thread, because both protections
apply to the calling thread. Before the worker counts as confined, it tries what it must not be able to do.
"""

from __future__ import annotations

import os
import resource
import socket
from contextlib import suppress
from typing import Any

from lab.process.confinement import system_calls
from lab.process.memory_protection import disable_core_dumps

_MIB = 1024 * 1024
_FILE_BYTES = 64 * _MIB  # of a memory file: twenty times the largest SEAL object that is read here
_OPEN_FILES = 16  # memory files do not count as address space: together they hold less than a gigabyte
_READABLE = "/dev/urandom"  # SEAL seeds its generators from it


class ConfinementUnavailable(RuntimeError):
    """A protection is missing on this machine. The message says which."""


class Confinement:
    """Prepared in a parent that has read no strangers' bytes, and then entered, once in each process.

    ``required``: entering raises ``ConfinementUnavailable`` if a protection is missing. Otherwise the other protections
    are still applied.
    """

    def __init__(self, *, required: bool = True) -> None:
        self._required = required
        self._missing: list[str] = []
        self._filter: bytes | None = None
        self._landlock: Any = None
        try:
            self._filter = system_calls.build_seccomp_filter()
        except system_calls.SeccompUnavailable as error:
            self._missing.append(str(error))
        try:
            import landlockpy

            landlockpy.abi_version()  # looks for the C library: slow, and impossible in a confined process
            self._landlock = landlockpy
        except ImportError:
            self._missing.append("the package landlockpy is not installed")
        except OSError as error:
            self._missing.append(_no_landlock(error))

    def enter(self, *, memory: int, seconds: int) -> tuple[str, ...]:
        """Confine the process of the calling thread; returns the missing protections, none if they are required.

        ``memory``: bytes of address space. ``seconds``: processor time. Raises ``ConfinementUnavailable``.
        """
        missing = list(self._missing)
        disable_core_dumps()
        _limit(memory, seconds)
        if self._landlock is not None:
            missing += self._restrict_files()
        if self._filter is not None:
            try:
                system_calls.install_seccomp_filter(self._filter)
            except system_calls.SeccompUnavailable as error:
                missing.append(str(error))
        if not missing:
            missing += _holes()
        if missing and self._required:
            raise ConfinementUnavailable("; ".join(missing))
        return tuple(missing)

    def _restrict_files(self) -> list[str]:
        landlock = self._landlock
        try:
            scope = landlock.Scope.SIGNAL | landlock.Scope.ABSTRACT_UNIX_SOCKET
            with landlock.Ruleset(scoped=scope) as rules:  # those of them that this kernel knows
                rules.allow_path(_READABLE, landlock.AccessFS.READ_FILE)
                rules.restrict()
        except OSError as error:
            return [_no_landlock(error)]
        return []


def _no_landlock(error: OSError) -> str:
    return f"the kernel has no Landlock that is switched on: {error.strerror or type(error).__name__}"


def _limit(memory: int, seconds: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_NPROC: 0,
    }
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def _holes() -> list[str]:
    """What this process can still do although it must not."""
    holes = []
    with suppress(OSError):
        open_file()
        holes.append("files can be opened in spite of Landlock")
    with suppress(OSError):
        open_socket()
        holes.append("sockets can be made in spite of the filter of system calls")
    return holes


def open_file() -> None:
    """Try to open a file that every process may read; raises ``OSError`` in a confined process."""
    os.close(os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC))


def open_socket() -> None:
    """Try to make a TCP socket; raises ``OSError`` in a confined process."""
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
