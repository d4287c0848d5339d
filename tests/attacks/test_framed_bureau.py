"""A stranger makes it look as if an honest bureau had forked its ledger, or makes room for a real fork to go unseen.

Who: anybody who reaches a witness. The bureau's checkpoints are public; a newer one than the witness has cosigned, sent
to it with a wrong proof, is refused. If it is then kept as evidence, the stranger has made evidence out of nothing, and
sixteen such leave no room for the checkpoint of a real fork.

What stops it: evidence is what contradicts by itself, two roots of one size, both signed by the bureau. What merely
came without a proof is kept apart, and counts for nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.disk.private_files import replace_private
from lab.terms.witnessing.checkpoint import SignedCheckpoint, ledger_origin
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest
from lab.witness.cosigning import CheckpointCosigner
from tests.unit.lab.witness.test_cosigning import Log, make

pytestmark = pytest.mark.threat(
    "Framed bureau",
    who="a stranger",
    wants=("to make evidence at a witness against an honest bureau, or to leave no room for evidence of a real fork"),
    stopped_by={
        "evidence rule": ("Evidence is two signed roots of one size. A checkpoint with a wrong proof is kept apart."),
    },
    code=["lab.witness.cosigning"],
)


def frame(witness: CheckpointCosigner, log: Log) -> None:
    """Send the bureau's public checkpoints with proofs that are none, and the one that was cosigned as well."""
    witness.add_checkpoint(AddCheckpointRequest(5, (bytes(32),), log.checkpoint()).to_bytes())
    for _ in range(20):
        log.grow(1)
        assert witness.add_checkpoint(AddCheckpointRequest(5, (), log.checkpoint()).to_bytes()).status == 422


def evidence(witness: CheckpointCosigner, log: Log) -> list[bytes]:
    return [path.read_bytes() for path in witness.conflicting_checkpoints(ledger_origin(log.public))]


def play(folder: Path) -> tuple[list[bytes], bytes, list[bytes]]:
    """The evidence against an honest bureau; the checkpoint of a real fork; the evidence when that was shown too."""
    log = Log()
    log.grow(5)
    witness = make(folder / "w", log)
    assert witness.add_checkpoint(log.request(0)).status == 200
    frame(witness, log)
    before, fork = evidence(witness, log), Log("another", log.key)
    fork.grow(5)
    assert witness.add_checkpoint(AddCheckpointRequest(5, (), fork.checkpoint()).to_bytes()).status == 422
    return before, str(fork.checkpoint()).encode(), evidence(witness, log)


@pytest.mark.without_control("evidence rule")
def test_where_a_wrong_proof_is_evidence_a_stranger_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(self: CheckpointCosigner, folder: Path, signed: SignedCheckpoint, *_: object, contradicts: bool) -> None:
        kept = sorted(folder.glob("refused-*"))
        if len(kept) < 16:
            replace_private(folder / f"refused-{len(kept) + 1}", str(signed).encode())

    monkeypatch.setattr(CheckpointCosigner, "_keep_refused", keep)
    before, fork, after = play(tmp_path)
    assert len(before) == 16 and fork not in after


@pytest.mark.with_control("evidence rule")
def test_a_wrong_proof_is_no_evidence_and_takes_no_room(tmp_path: Path) -> None:
    before, fork, after = play(tmp_path)
    assert before == [] and after == [fork]
    assert len(list((tmp_path / "w").rglob("unproven-*"))) == 16  # kept apart, and bounded


@pytest.mark.with_control("evidence rule")
def test_the_honest_bureau_is_cosigned_all_the_same(tmp_path: Path) -> None:
    log = Log()
    log.grow(5)
    witness = make(tmp_path / "w", log)
    assert witness.add_checkpoint(log.request(0)).status == 200
    frame(witness, log)
    assert witness.add_checkpoint(log.request(5)).status == 200
