"""The fork server: a process that has loaded the native code, and forks one confined process for each job.

``fork_client`` starts it. Its one descriptor is a socket on which the service passes the two pipes of a job; it answers
with a descriptor of the process for the job, so that the service can end it. It reads no job, keeps no descriptor of
one, and ends with the service. What never changes (code, tables, the filter of system calls) is made here once; a job's
data is only in the process that ends with the job.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
from multiprocessing.reduction import ForkingPickler
from types import FrameType

from lab.bureau.workers import results
from lab.bureau.workers.settings import ROLE_MODULES, WorkerSettings
from lab.process.confinement import Confinement, ConfinementUnavailable
from lab.process.memory_protection import disable_core_dumps

_PR_SET_PDEATHSIG = 1
_CHUNK = 1 << 20
_CODECS = ("ascii", "latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
_LAZY_MODULES = ("numpy.fft", "numpy.linalg", "numpy.random")
"""Codecs and modules that Python loads at first use: a JSON text may use any of the codecs."""


def serve_forks(descriptor: int, settings: WorkerSettings) -> None:
    """Serve jobs until the service closes its end or is gone."""
    disable_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the service, which ends its workers in order
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, _reap)
    preload_modules(settings)
    confinement = Confinement(required=settings.confinement_required)
    gc.collect()
    gc.freeze()  # the collectors of the forks do not touch frozen objects, so their pages stay shared
    parent = os.getpid()
    with socket.socket(fileno=descriptor) as service, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        service.sendall(b"r")
        while True:
            message, pipes, _, _ = socket.recv_fds(service, 1, 2)
            if not message:
                return
            child = os.fork()
            if child == 0:
                _work(pipes[0], pipes[1], settings, confinement, parent)
            for pipe in pipes:
                os.close(pipe)
            try:
                process = os.pidfd_open(child)  # it waits for its job, which comes after this
            except ProcessLookupError:
                service.sendall(b"x")
                continue
            socket.send_fds(service, [b"j"], [process])
            os.close(process)


def _reap(number: int, frame: FrameType | None) -> None:
    """Wait for the forks that have ended: only then does the kernel add their processor time to this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def preload_modules(settings: WorkerSettings) -> None:
    """Load and try everything that the jobs of a role use: a confined process can load nothing any more."""
    for codec in _CODECS:
        codecs.lookup(codec)
    for module in (*_LAZY_MODULES, ROLE_MODULES[settings.role], *settings.modules):
        importlib.import_module(module)
    if settings.role == "scoring":
        from protocols.scoring.parameters import PARAMETERS
        from protocols.scoring.seal import binding

        for name in PARAMETERS:
            binding.seal_context(name)
    else:
        from protocols.matching.bureau import ENGINES, evaluate_register, generate_key

        for engine in ENGINES:
            evaluate_register(engine, generate_key(engine), ["a code"])


def _work(job: int, result: int, settings: WorkerSettings, confinement: Confinement, parent: int) -> None:
    """The work of a fork: confine itself and report it, read the job, run it, send the result, and exit."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _keep(job, result)
        _end_with(parent)
        try:
            confinement.enter(memory=settings.memory_bytes, seconds=settings.seconds + 1)
        except ConfinementUnavailable as error:
            _write(3, results.UNCONFINED + str(error).encode())
        else:
            _write(3, results.CONFINED)  # before the job: an attacker in it can't claim that it was not
            _write(3, _done(_read(0)))
    finally:
        os._exit(0)


def _done(job: bytes) -> bytes:
    try:
        # Only the service can write to this pipe.
        function, arguments, named = ForkingPickler.loads(job)
        del job
        return results.pack_result(function(*arguments, **named))
    except BaseException as error:
        return results.pack_error_result(error)


def _keep(job: int, result: int) -> None:
    """Keep only the job (as 0) and the result (as 3) open; output is discarded."""
    job, result = os.dup2(job, 100), os.dup2(result, 101)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(job, 0)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.dup2(result, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") > 0 else 65_536)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when the fork server ends, whose only thread started it."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _read(descriptor: int) -> bytes:
    job = bytearray()
    while piece := os.read(descriptor, _CHUNK):
        job += piece
    return bytes(job)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    serve_forks(int(sys.argv[1]), WorkerSettings.from_json(sys.argv[2]))
