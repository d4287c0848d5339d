"""The processes of ``ProcessComputePool``: one interpreter that loads what they need, and a fork of it for each.

The interpreter is started with nothing but this module, so no process of a pool loads the command that uses it. It has
one thread when it forks, and no key: keys come with the tasks. A worker reads a task from its socket, computes it, and
sends the result, until the socket is closed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

from lab.process.memory_protection import disable_core_dumps

_BEGIN = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3]); "
    "from protocols.compute_worker import serve_forks; "
    "serve_forks(json.loads(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[4]))"
)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_PARENT_POLL_SECONDS = 0.5


class WorkerGroup:
    """Running workers: an interpreter and a fork of it for each connection. ``modules`` are loaded before the forks."""

    def __init__(self, count: int, modules: Sequence[str] = ()) -> None:
        pairs = [Pipe() for _ in range(count)]
        self.connections = [ours for ours, _ in pairs]
        """One for each worker: send ``(function, arguments)``, receive ``(True, result)`` or ``(False, error)``."""
        descriptors = [theirs.fileno() for _, theirs in pairs]
        paths = [os.path.abspath(one) for one in sys.path]
        words = [json.dumps(descriptors), str(os.getpid()), json.dumps(paths), json.dumps(list(modules))]
        # -P: a module of the current folder must not be taken for one of Python's.
        self._process = subprocess.Popen([sys.executable, "-P", "-c", _BEGIN, *words], pass_fds=descriptors)
        for _, theirs in pairs:
            theirs.close()

    def close(self) -> None:
        """End the workers after their tasks, and wait for them."""
        for connection in self.connections:
            connection.close()
        self._process.wait()


def serve_forks(descriptors: Sequence[int], parent: int, modules: Sequence[str]) -> None:
    """Load ``modules``, fork a worker for each descriptor, and end when they have, or with the process ``parent``."""
    disable_core_dumps()  # of the forks too
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends its workers in order
    for name in _ONE_THREAD:
        os.environ[name] = "1"  # a fork copies one thread, and each worker uses one core
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # the workers' collections do not touch what was loaded, so its pages stay shared
    own = os.getpid()
    for place, descriptor in enumerate(descriptors):
        if os.fork() == 0:
            for other in descriptors[place + 1 :]:
                os.close(other)
            _work(descriptor, own)
        os.close(descriptor)
    exit_with_parent(parent)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def exit_with_parent(parent: int) -> None:
    """End this process when its parent ends, whatever it is doing."""
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    os._exit(1)


def _work(descriptor: int, parent: int) -> None:
    """The work of a fork: one task after another, until the pool closes its end."""
    try:
        exit_with_parent(parent)
        with Connection(descriptor) as connection, contextlib.suppress(EOFError, OSError):
            while True:
                connection.send(_outcome(*connection.recv()))
    finally:
        os._exit(0)


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:  # it is raised where the task came from
        return False, error
