"""A bank's bytes take over the native code of a worker at the bureau, and its code now wants what lies around it.

The attacker has SEAL execute code of their choice; a function that is handed to the pool stands in for it. They want
the sealed secrets and the key that seals them, the database, the settings; the memory and the environment of the
service, where opened keys are; the network, to carry it all away; other processes; a matching key, or what another
bank's job brought, in their own memory; and, by what they answer, code in the service itself.

What stops it: each job has a process of its own, which has given up files (Landlock), all system calls but computing
(seccomp), dumps and its inherited descriptors before it reads the job; ends with it; and whose answer is plain data.
Workers that parse ciphertexts are never given a key. Each attack is first run in a worker as they once were: a spawned
process of the same user, kept for the next job, whose answers are unpickled.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.bureau.bureau import Bureau
from lab.bureau.workers import pool as workers
from lab.bureau.workers.pool import WorkerPool
from lab.terms.errors import InvalidInput, ShulabError, Unreachable
from models.shared.sheet import BankSheet
from protocols.matching.bureau import evaluate_elements
from tests.support.bureau_fixtures import model, open_scene, scene, tables  # noqa: F401
from tests.support.bureau_scene import Scene

SECRET = os.urandom(32).hex().encode()
"""In the memory of this process, which stands in for the service's."""
JOB = "job-1"

pytestmark = [
    pytest.mark.threat(
        "Worker that reads secrets",
        who="somebody on the machine",
        wants=(
            "to read secrets, the database or other memory, or to reach the network and other processes, from a "
            "worker that a bank's bytes have taken over"
        ),
        stopped_by={
            "confinement": (
                "Each job has a process of its own: files by Landlock, system calls by a list, no inherited "
                "descriptors, an empty environment."
            ),
        },
        shipped="on; a machine that lacks these does no job unless `worker_confinement` says otherwise",
        code=["lab.process.confinement", "lab.bureau.workers"],
    ),
    pytest.mark.threat(
        "Worker that stays",
        who="somebody on the machine",
        wants="to read the next bank's job, or to run code in the service, from a worker that was taken over",
        stopped_by={
            "one job": "A worker's process ends with its job.",
            "plain answers": "A worker's answer is plain data.",
        },
        code=["lab.bureau.workers.fork_server", "lab.bureau.workers.results"],
    ),
    pytest.mark.threat(
        "Worker that lies about the bureau",
        who="somebody on the machine",
        wants="to hold a place for ever by reporting, from a worker that was taken over, that the bureau is down",
        stopped_by={
            "listed reports": (
                "A worker may say only what is on a list; a missing protection is reported before it has its job."
            ),
        },
        code=["lab.bureau.workers.pool"],
    ),
    pytest.mark.threat(
        "Matching key in a worker",
        who="somebody on the machine",
        wants="to find a matching key in the memory of a worker that was taken over",
        stopped_by={
            "two pools": "Processes that parse ciphertexts never get a matching key.",
        },
        code=["lab.bureau.workers.pools"],
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="workers are confined on Linux"),
]


class FormerPool:
    """A worker as they once were."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._executor.submit(function, *arguments).result()

    def close(self) -> None:
        self._executor.shutdown()


@pytest.fixture(scope="module")
def former() -> Iterator[FormerPool]:
    made = FormerPool()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool(1, job_seconds=20, memory_mib=4096)
    yield made
    made.close()


class Target:
    """What lies around the worker: a bureau's home, another process of the same user, and somebody who listens."""

    def __init__(self, home: Path) -> None:
        self.home = home
        Bureau.create(home, name="某局").close()
        self.victim = subprocess.Popen(["/bin/sleep", "600"])
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.address = id(SECRET) + bytes.__basicsize__ - 1

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        self.listening.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    made = Target(tmp_path / "bureau")
    yield made
    made.close()


C = "__import__('ctypes').CDLL(None, use_errno=True)"
OS = "__import__('os')"
PTRACE = (  # attached, and let go again
    "(lambda c: c.ptrace(16, {victim}, 0, 0) or "
    f"({OS}.waitpid({{victim}}, 0) and c.ptrace(17, {{victim}}, 0, 0)))({C})"
)
FILES = {
    "seal key": "keys/seal.key",
    "sealed secrets": "keys/*.sealed",
    "settings": "bureau.toml",
    "database": "bureau.db",
}
ATTACKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "the list of files": (OS + ".listdir('{home}')", lambda got: "bureau.toml" in got),
    "a file of one's own": ("open('{home}/planted', 'w').write('x')", lambda got: got == 1),
    "the service's memory": (
        "(lambda f: (f.seek({address}), f.read(64))[1])(open('/proc/{service}/mem', 'rb', 0))",
        lambda got: got == SECRET,
    ),
    "the service's environment": ("open('/proc/{service}/environ', 'rb').read()", lambda got: b"PATH=" in got),
    "what another process maps": ("open('/proc/{victim}/maps').read()", lambda got: "sleep" in got),
    "ptrace": (PTRACE, lambda got: got == 0),
    "reading across processes": (
        C + ".syscall(310, {victim}, None, 0, None, 0, 0)",  # process_vm_readv of nothing
        lambda got: got == 0,
    ),
    "a network connection": (
        "__import__('socket').create_connection(('127.0.0.1', {port})).getpeername()[1]",
        lambda got: got > 0,
    ),
    "a socket of the machine": ("__import__('socket').socket(1, 1).fileno()", lambda got: got >= 0),
    "another program": (OS + ".posix_spawn('/bin/true', ['true'], {{}})", lambda got: got > 0),
    "another process": ("(lambda p: p or " + OS + "._exit(0))(" + OS + ".fork())", lambda got: got > 0),
    "executable memory": ("__import__('mmap').mmap(-1, 4096, prot=7) and 1", lambda got: got == 1),
    "a namespace": (C + ".unshare(0x10000000)", lambda got: got == 0),
    "io_uring": (C + ".syscall(425, 4, __import__('ctypes').create_string_buffer(120))", lambda got: got >= 0),
    "the end of another process": (OS + ".kill({victim}, 9)", lambda got: got is None),
    # F_SETOWN, F_SETSIG: the kernel sends the signal when something can be read; before Linux 6.12 Landlock lets it.
    "a signal by way of a descriptor": (
        "(lambda f: f.fcntl(0, 8, {victim}) or f.fcntl(0, 10, 9))(__import__('fcntl'))",
        lambda got: got == 0,
    ),
    # Landlock judges what is opened to read or to write. With 3, files were truncated before it judged that (5.19).
    "a path alone": (OS + ".open('{home}/bureau.db', 0o10000000)", lambda got: got >= 0),
    "a file to neither read nor write": (OS + ".open('{home}/bureau.db', 3)", lambda got: got >= 0),
    "memory beyond its limit": (
        "[" + OS + ".ftruncate(" + OS + ".memfd_create('m'), 2**26) for n in range(32)]",
        lambda got: len(got) == 32,
    ),
    "the size of a file": (
        # newfstatat with AT_EMPTY_PATH, and a path that is not empty
        C + ".syscall(262, -100, b'{home}/bureau.db', __import__('ctypes').create_string_buffer(512), 0x1000)",
        lambda got: got == 0,
    ),
}
"""What the attacker runs, and what tells that it worked. A call that C refuses gives -1."""
MACHINES_OWN = frozenset(
    {
        *("the service's memory", "the service's environment", "what another process maps"),
        *("ptrace", "reading across processes", "a namespace", "io_uring"),
    }
)
"""What a machine may forbid everybody: Yama's ptrace_scope, a container's own filter. The others any process can do."""


def attempt(run: Callable[..., Any], target: Target, name: str) -> bool:
    """Whether the attack gets what it wants."""
    code, worked = ATTACKS[name]
    facts = {
        "home": target.home,
        "service": os.getpid(),
        "victim": target.victim.pid,
        "port": target.port,
        "address": target.address,
    }
    try:
        return worked(run(eval, code.format(**facts)))
    except (OSError, RuntimeError, InvalidInput):
        return False


@pytest.mark.without_control("confinement")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_worker_without_confinement_gets_it(former: FormerPool, target: Target, name: str) -> None:
    if not attempt(former.run, target, name):
        assert name in MACHINES_OWN
        pytest.skip(f"this machine itself forbids {name}, confined or not")


@pytest.mark.with_control("confinement")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_confined_worker_does_not_get_it(pool: WorkerPool, target: Target, name: str) -> None:
    assert not attempt(pool.run, target, name)
    assert target.victim.poll() is None
    assert pool.run(divmod, 17, 5) == (3, 2)


@pytest.mark.parametrize("name", FILES)
def test_the_strongbox_is_read_without_confinement_and_not_with_it(
    former: FormerPool, pool: WorkerPool, target: Target, name: str
) -> None:
    found = sorted(path for path in target.home.glob(FILES[name]) if path.is_file())
    assert found
    for path in found:
        code = f"len(open({str(path)!r}, 'rb').read())"
        assert former.run(eval, code) == path.stat().st_size
        with pytest.raises(RuntimeError, match="PermissionError"):
            pool.run(eval, code)


IMPLANT = """
import builtins
builtins.loot = []
builtins.sum = lambda x, old=builtins.sum, loot=builtins.loot: (loot.append(x), old(x))[1]
"""
"""The attacker's function in the place of one that later jobs call."""


@pytest.mark.without_control("one job")
def test_an_implant_in_a_kept_worker_reads_the_next_job(former: FormerPool) -> None:
    former.run(exec, IMPLANT)
    former.run(eval, "sum(given)", {"given": SECRET})
    assert SECRET in former.run(eval, "loot")


@pytest.mark.with_control("one job")
def test_an_implant_ends_with_its_job(pool: WorkerPool) -> None:
    pool.run(exec, IMPLANT)
    assert pool.run(eval, "sum(given)", {"given": SECRET}) == sum(SECRET)
    with pytest.raises(RuntimeError, match="NameError"):
        pool.run(eval, "loot")


BOMB = "type('X', (), {'__reduce__': lambda self: (exec, ('import os; os.environ[\"LOOT\"] = \"taken\"',))})()"


@pytest.mark.without_control("plain answers")
def test_an_answer_that_is_unpickled_runs_in_the_service(former: FormerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOT", "")
    former.run(eval, BOMB)
    assert os.environ["LOOT"] == "taken"


@pytest.mark.with_control("plain answers")
@pytest.mark.parametrize("way", [BOMB, f"__import__('os').write(3, __import__('pickle').dumps({BOMB}))"])
def test_an_answer_is_data_and_runs_nowhere(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv("LOOT", "")
    with pytest.raises((RuntimeError, InvalidInput)):
        pool.run(eval, way)
    assert os.environ["LOOT"] == ""


DOWN = "(_ for _ in ()).throw(__import__('lab.terms.errors').terms.errors.Unreachable('down', next_step='wait'))"
"""Whatever is unreachable is waited for, and the batch keeps its place meanwhile."""


@pytest.mark.without_control("listed reports")
def test_a_worker_that_may_say_anything_holds_a_place_for_ever(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(workers._ERRORS, "Unreachable", Unreachable)
    with pytest.raises(Unreachable):
        pool.run(eval, DOWN)


@pytest.mark.with_control("listed reports")
@pytest.mark.parametrize("way", [DOWN, "__import__('os').write(3, b'u: no filter')"])
def test_a_worker_cannot_say_that_the_bureau_is_down(pool: WorkerPool, way: str) -> None:
    with pytest.raises(ShulabError) as caught:
        pool.run(eval, way)
    assert not isinstance(caught.value, Unreachable)


@pytest.mark.with_control("confinement")
def test_a_worker_inherits_nothing(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_SEAL_KEY", SECRET.decode())
    fresh = WorkerPool(1, job_seconds=20, memory_mib=4096)
    try:
        names = fresh.run(eval, "list(__import__('os').environ)")
        assert set(names) <= {
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
            "LC_ALL",
            "OPENBLAS_CORETYPE",
            "OPENBLAS_L2_SIZE",
        }
        # Its job, nothing twice, its answer.
        fds = "[fd for fd in range(200) if __import__('ctypes').CDLL(None).fcntl(fd, 1) >= 0]"
        assert fresh.run(eval, fds) == [0, 1, 2, 3]
    finally:
        fresh.close()


class Handed:
    """Sees what each pool is given."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
        self.jobs: dict[str, list[bytes]] = {"scoring": [], "matching": []}
        self.keys: list[bytes] = []
        run = WorkerPool.run

        def spy(pool: WorkerPool, function: Any, *arguments: Any, **named: Any) -> Any:
            whole = b"".join(one for one in arguments if isinstance(one, bytes))
            self.jobs[pool._settings.role].append(whole)
            if isinstance(function, partial) and function.args == (evaluate_elements,):
                self.keys.append(arguments[1])
            return run(pool, function, *arguments, **named)

        monkeypatch.setattr(WorkerPool, "run", spy)
        contract = scene.contract()
        sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
        found = scene.bank.match(scene.bureau, contract, scene.tables.codes[:5], JOB)
        scene.bank.put_context(scene.bureau, contract, JOB)
        self.batch = scene.bank.batch(sheet, found.tags, scene.tables.bank[:5], contract)
        scene.bureau.scoring.score(contract, JOB, self.batch)

    def met(self, room: str) -> bool:
        """Whether a worker of that room could have had both a key and a bank's ciphertexts in its life."""
        everything = b"".join(self.jobs[room])
        return self.batch in everything and any(key in everything for key in self.keys)


@pytest.mark.without_control("two pools")
def test_in_one_pool_keys_meet_strangers_bytes(
    scene: Scene,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = WorkerPool(1, job_seconds=20, memory_mib=4096, role="matching", modules=("protocols.scoring.bureau",))
    spare, scene.bureau.workers.matching = scene.bureau.workers.matching, one
    monkeypatch.setattr(scene.bureau.contexts, "_workers", one)
    monkeypatch.setattr(scene.bureau.scoring._evaluator, "_workers", one)
    try:
        assert Handed(scene, monkeypatch).met("matching")
    finally:
        one.close()
        scene.bureau.workers.matching = spare


@pytest.mark.with_control("two pools")
def test_a_worker_that_parses_ciphertexts_is_never_given_a_key(
    scene: Scene,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed = Handed(scene, monkeypatch)
    assert handed.keys
    assert handed.batch in b"".join(handed.jobs["scoring"])
    assert not handed.met("scoring")
    assert not handed.met("matching")


@pytest.mark.with_control("confinement")
@pytest.mark.parametrize("missing", ["calls", "landlock"])
def test_where_a_protection_is_missing_no_job_is_done_unless_the_operator_chose_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    """A machine without it is made by a module of its name that does not load; templates look there first."""
    name = {"calls": "pyseccomp", "landlock": "landlockpy"}[missing]
    (tmp_path / f"{name}.py").write_text("raise ImportError('not on this machine')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    strict = WorkerPool(1, job_seconds=20, memory_mib=4096)
    lax = WorkerPool(1, job_seconds=20, memory_mib=4096, confinement="best")
    try:
        with pytest.raises(Unreachable, match="cannot be confined") as caught:
            strict.run(divmod, 17, 5)
        assert "doctor" in caught.value.next_step
        assert lax.run(divmod, 17, 5) == (3, 2)
    finally:
        strict.close()
        lax.close()
