"""A bureau has its witness killed (or waits until it dies) between signing a checkpoint and writing down that it did,
and offers the other fork to the witness that starts again. It wants one witness's cosignatures on two histories.

What stops it: the cosignature leaves the witness only when the checkpoint is on the disk under its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from lab.disk import locks, private_files
from lab.terms.witnessing.checkpoint import SignedCheckpoint, ledger_origin
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest, build_consistency_proof
from lab.witness.cosigning import CheckpointCosigner, WitnessResponse
from lab.witness.home import WitnessHome
from tests.support.forking_bureau import Ledger, make_witnesses

pytestmark = pytest.mark.threat(
    "Killed witness",
    who="the bureau",
    wants="to have one witness cosign two histories, by having it killed between signing and writing",
    stopped_by={
        "write before giving": "A cosignature leaves the witness after its checkpoint is durably on disk.",
    },
    code=["lab.witness.cosigning"],
)

CALLS = ("open", "fsync", "replace", "close", "unlink")


class Forgetful(CheckpointCosigner):
    """A lax witness: it answers first and writes later."""

    def _persist(self, folder: Path, cosigned: SignedCheckpoint) -> None:
        self.later = lambda: super(Forgetful, self)._persist(folder, cosigned)


def forks() -> tuple[Ledger, Ledger]:
    one = Ledger()
    one.answer("bank", "before")
    other = one.fork()
    one.answer("a", "job")
    other.answer("b", "job")
    return one, other


def request(ledger: Ledger) -> bytes:
    return AddCheckpointRequest(
        1, build_consistency_proof(ledger.tree.range_root, 1, 2), ledger.checkpoint()
    ).to_bytes()


def opened(folder: Path, kind: type[CheckpointCosigner] = CheckpointCosigner) -> CheckpointCosigner:
    home = WitnessHome.open(folder / "w0")
    return kind(home, home.open_key())


def released_before_death(work: Callable[[], WitnessResponse], die_at: int) -> tuple[str, bool]:
    """What a witness process gave out before it was killed at its ``die_at``-th call of the system, and whether it was.

    The process is a copy of this one; SIGKILL leaves it as little as ``os._exit``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        left = [die_at]

        def mortal(real: Callable) -> Callable:
            def call(*words, **more):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)
                return real(*words, **more)

            return call

        try:
            real = {name: getattr(os, name) for name in CALLS}
            view = ModuleType("os")  # the witness's own view of the system: every other call is as it was
            view.__dict__.update(os.__dict__ | {name: mortal(one) for name, one in real.items()})
            for module in (private_files, locks):
                module.__dict__["os"] = view
            os.write(writing, work().body.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        released = pipe.read().decode()
    return released, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def begin(folder: Path) -> tuple[Ledger, Ledger]:
    one, other = forks()
    make_witnesses(folder, one, count=1)
    start = Ledger(one.key, one.bodies[:1])
    assert start.offer(opened(folder), 0).status == 200
    return one, other


@pytest.mark.without_control("write before giving")
def test_a_witness_that_writes_later_cosigns_both_forks(tmp_path: Path) -> None:
    one, other = begin(tmp_path)
    lax = opened(tmp_path, Forgetful)
    first = lax.add_checkpoint(request(one))  # and is killed before ``later``
    second = opened(tmp_path, Forgetful).add_checkpoint(request(other))
    assert (first.status, second.status) == (200, 200)


@pytest.mark.with_control("write before giving")
@pytest.mark.parametrize("restarted_with_same", [True, False])
def test_killed_anywhere_it_never_gives_out_cosignatures_of_two_forks(
    tmp_path: Path, restarted_with_same: bool
) -> None:
    died = 0
    for die_at in range(1, 30):
        folder = tmp_path / str(die_at)
        folder.mkdir()
        one, other = begin(folder)
        witness = opened(folder)
        released, killed = released_before_death(partial(witness.add_checkpoint, request(one)), die_at)
        died += killed
        again = opened(folder)
        if restarted_with_same:  # the log asks again after the kill: it gets what it is due
            answer = again.add_checkpoint(request(one))
            assert answer.status == 200 or one.offer(again, int(answer.body)).status == 200
            released = "yes"
        answer = again.add_checkpoint(request(other))
        if answer.status == 409:
            answer = other.offer(again, int(answer.body))
        assert not (released and answer.status == 200), f"killed at call {die_at}"
        last = again.last_checkpoint(WitnessHome.open(folder / "w0").log_folder(ledger_origin(one.public)))
        assert last is not None and last.size in (1, 2)
        if not killed:
            break
    assert died >= 5 and not killed
