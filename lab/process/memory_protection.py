"""Protects the memory of this process from core dumps and from other processes of the same user, and its secrets from
its child processes.

prctl(2), PR_SET_DUMPABLE: a process that is not dumpable leaves no core, whatever collects cores on the machine. Only a
privileged process can attach to it (ptrace(2)) or read its ``/proc/PID/mem`` and ``environ``. A fork inherits the
setting; execve(2) resets it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
_PREFIX, _NOT_SECRET = "SHULAB_", ("SHULAB_X25519",)


def disable_core_dumps() -> None:
    """Make this process undumpable and unreadable to others; raises ``OSError`` if the kernel refuses.

    On systems other than Linux this only limits the size of a core to zero.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the process could not be made undumpable: {os.strerror(number)}")


def hide_environment_from_children() -> None:
    """Keep our variables, with their passwords and seal keys, out of the environment of child processes, except where a
    child gets them by name. They stay in ``os.environ``.

    A child is another program at first, and other processes of this user can read its ``environ``. The resource tracker
    of multiprocessing stays such a child as long as there is a pool of processes.
    """
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in _NOT_SECRET:
            os.unsetenv(name)
