"""The system calls that a worker may still make, as a list: to read, to compute and to return results.

Everything else fails with EPERM: sockets, other programs, other processes and signals to them, threads, ptrace(2),
reading another's memory, mounts, BPF, io_uring, keyrings, handles, namespaces, pages that are made executable, and
stat(2), also under the name that C libraries use for fstat(2), because a filter cannot tell the two apart. The filter
is built by libseccomp (``pyseccomp``), which also refuses calls of other architectures. A filter sees no paths, so
Landlock decides which files may be opened (``process_confinement``).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import tempfile

_ALLOWED = (
    # its pipes, and memory files (SEAL reads and writes paths only)
    *("read", "readv", "write", "writev", "pread64", "pwrite64", "lseek", "close", "dup", "poll", "ppoll"),
    *("memfd_create", "ftruncate", "fstat", "fadvise64"),
    # memory
    *("brk", "munmap", "mremap", "madvise", "mincore"),
    # other calls of the C library and the interpreter
    *("futex", "rseq", "set_robust_list", "sched_yield", "sched_getaffinity", "getcpu", "membarrier"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "alarm", "setitimer"),
    *("getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "sysinfo", "uname"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrandom"),
    *("exit", "exit_group"),
)
_PROT_EXEC = 4
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_OPENING = {"open": 1, "openat": 2}
"""The position of the argument with the access mode: to read, to write, or both. Landlock decides about these three.
Other modes are refused: O_PATH, which shows sizes and times of any file, and mode 3, which may truncate."""
_FCNTL = (fcntl.F_DUPFD, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC)
"""Not F_SETOWN and F_SETSIG: with them the kernel sends any signal to any process of the user, and before Linux 6.12
Landlock cannot prevent it."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_INSTRUCTION_BYTES = 8


class SeccompUnavailable(OSError):
    """libseccomp is missing, or the kernel accepts no filter."""


class _SockFprog(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def build_seccomp_filter() -> bytes:
    """The filter as a BPF program, made once for all processes that install it.

    Raises ``SeccompUnavailable`` without the library.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError, AttributeError):
        raise SeccompUnavailable("libseccomp is missing (Debian: libseccomp2; Python: pyseccomp)") from None
    made = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in _ALLOWED:
        with contextlib.suppress(OSError):  # not every architecture has every call
            made.add_rule(seccomp.ALLOW, name)
    for name in ("mmap", "mprotect"):
        made.add_rule(seccomp.ALLOW, name, seccomp.Arg(2, seccomp.MASKED_EQ, _PROT_EXEC, 0))
    for name, place in _OPENING.items():
        for way in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            with contextlib.suppress(OSError):
                made.add_rule(seccomp.ALLOW, name, seccomp.Arg(place, seccomp.MASKED_EQ, os.O_PATH | _ACCESS, way))
    for command in _FCNTL:
        made.add_rule(seccomp.ALLOW, "fcntl", seccomp.Arg(1, seccomp.EQ, command))
    made.add_rule(seccomp.ALLOW, "prlimit64", seccomp.Arg(0, seccomp.EQ, 0), seccomp.Arg(2, seccomp.EQ, 0))
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def install_seccomp_filter(program: bytes) -> None:
    """Put the filter on this thread, permanently (seccomp(2)); raises ``SeccompUnavailable``."""
    libc = ctypes.CDLL(None, use_errno=True)
    whole = _SockFprog(len(program) // _INSTRUCTION_BYTES, program)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(whole), 0, 0) != 0
    ):
        raise SeccompUnavailable(f"the kernel accepts no seccomp filter: {os.strerror(ctypes.get_errno())}")
