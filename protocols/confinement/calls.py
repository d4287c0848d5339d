"""The system calls that a worker is left with: those that read, compute and answer, by a list of what is allowed.

Everything else fails with EPERM: sockets, other programs, other processes and signals to them, threads, ptrace(2),
reading another's memory, mounts, BPF, io_uring, keyrings, handles, namespaces, and pages that are made executable. The
filter is libseccomp's (by ``pyseccomp``), which also refuses calls of other architectures. What is opened is Landlock's
to judge (``worker``), since a filter sees no paths.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import tempfile

_ALLOWED = (
    # its pipes, and memory files (SEAL reads and writes paths only)
    *("read", "readv", "write", "writev", "pread64", "pwrite64", "lseek", "close", "dup", "fcntl", "poll", "ppoll"),
    *("open", "openat", "memfd_create", "ftruncate", "fstat", "fadvise64"),
    # memory
    *("brk", "munmap", "mremap", "madvise", "mincore"),
    # what the C library and the interpreter do beside
    *("futex", "rseq", "set_robust_list", "sched_yield", "sched_getaffinity", "getcpu", "membarrier"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "alarm", "setitimer"),
    *("getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "sysinfo", "uname"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrandom"),
    *("exit", "exit_group"),
)
_PROT_EXEC = 4
_AT_EMPTY_PATH = 0x1000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_INSTRUCTION_BYTES = 8


class NoFilter(OSError):
    """There is no libseccomp, or the kernel takes no filter."""


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def build() -> bytes:
    """The filter as a BPF program, made once for all processes that ``load`` it; raises ``NoFilter`` without the
    library."""
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError, AttributeError):
        raise NoFilter("libseccomp is not here (Debian: libseccomp2; Python: pyseccomp)") from None
    made = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in _ALLOWED:
        with contextlib.suppress(OSError):  # not every architecture has every call; what is not there needs no leave
            made.add_rule(seccomp.ALLOW, name)
    for name in ("mmap", "mprotect"):
        made.add_rule(seccomp.ALLOW, name, seccomp.Arg(2, seccomp.MASKED_EQ, _PROT_EXEC, 0))
    # fstat(2) under another name, of what is open already; not stat(2), which would tell which files there are.
    made.add_rule(seccomp.ALLOW, "newfstatat", seccomp.Arg(3, seccomp.MASKED_EQ, _AT_EMPTY_PATH, _AT_EMPTY_PATH))
    made.add_rule(seccomp.ALLOW, "prlimit64", seccomp.Arg(0, seccomp.EQ, 0), seccomp.Arg(2, seccomp.EQ, 0))
    with tempfile.TemporaryFile() as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()


def load(program: bytes) -> None:
    """Put the filter over this thread, for good (seccomp(2)); raises ``NoFilter``."""
    libc = ctypes.CDLL(None, use_errno=True)
    whole = _Program(len(program) // _INSTRUCTION_BYTES, program)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(whole), 0, 0) != 0
    ):
        raise NoFilter(f"the kernel takes no seccomp filter: {os.strerror(ctypes.get_errno())}")
