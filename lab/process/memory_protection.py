"""No memory of this process in a file, nor in the hands of another process of the same user; nor its secrets with the
processes that it begins.

prctl(2), PR_SET_DUMPABLE: a process that cannot be dumped leaves no core, whatever takes cores on the machine, and only
a privileged process can attach to it (ptrace(2)) or read its ``/proc/PID/mem`` and ``environ``. It is inherited by a
fork, and lost when another program is executed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
_OURS, _FOR_ALL = "SHULAB_", ("SHULAB_X25519",)


def disable_core_dumps() -> None:
    """From here on this process can neither be dumped nor read by others; raises ``OSError`` if the kernel refuses.

    On another system than Linux the size of a core is limited to nothing, and that is all.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the process could not be made undumpable: {os.strerror(number)}")


def hide_environment_from_children() -> None:
    """Let no process that this one begins inherit our variables, passwords and seal keys among them, unless it is given
    them by name. They stay in ``os.environ``.

    Whoever begins there is another program at first, so that others of this user can read its ``environ`` again;
    multiprocessing's tracker of resources stays so for as long as there is a crew.
    """
    for name in os.environ:
        if name.startswith(_OURS) and name not in _FOR_ALL:
            os.unsetenv(name)
