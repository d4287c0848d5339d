"""A bank that has one encryption evaluated more often than once: under another contract of its, or with other residues.

It wants several replies to the same second polynomials, each under a mask and a flood of its own, to set them against
each other; or, with a seed used twice, two ciphertexts whose difference has no randomness in it at all.

What stops it: a seed is taken once from a *bank*, whatever contract and whatever residues stand beside it. Before,
whole ciphertexts were held, and for a contract: the same ciphertext passed under the next one, and with one residue
changed it passed under the same. A batch is no repeat of itself: sent again it is the same job's, and gets the same
reply.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.exchange.scoring import batch_scoring
from lab.bureau.store.tables import CiphertextSeedRow
from lab.terms.errors import Conflict
from models.shared.sheet import BankSheet
from protocols.scoring.bureau import ParsedBatch
from protocols.scoring.parameters import SEED_BYTES
from protocols.wire.frame import Frame, FrameKind, unpack_frame
from tests.support.bureau_fixtures import model, open_scene, scene, scene_on_both, tables
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Ciphertext evaluated twice",
    who="a bank",
    wants="to have one ciphertext evaluated more than once, under another contract or with changed residues",
    stopped_by={
        "seed once": "A bank may use a seed once, whatever the contract and the residues.",
    },
    code=["lab.bureau.exchange.scoring.leakage_budget"],
)

__all__ = ["model", "open_scene", "scene", "scene_on_both", "tables"]

JOB = "job-1"
HERE = slice(10, 16)


def prepared(scene: Scene, contract: str) -> np.ndarray:
    """The tags of six enterprises under the contract, whose job is open and whose context is held."""
    tags = scene.bank.match(scene.bureau, contract, scene.tables.codes[HERE], JOB).tags
    scene.bank.put_context(scene.bureau, contract, JOB)
    return tags


def encrypted(scene: Scene, contract: str, tags: np.ndarray) -> bytes:
    sheet = BankSheet.from_json(scene.bureau.jobs.sheet(contract))
    return scene.bank.batch(sheet, tags, scene.tables.bank[HERE], contract)


def moved(batch: bytes, contract: str, tags: np.ndarray) -> bytes:
    """The same ciphertexts in a batch under another contract."""
    frame = unpack_frame(batch, FrameKind.BATCH)
    return Frame(FrameKind.BATCH, {**frame.meta, "contract": contract}, (tags.tobytes(), *frame.parts[1:])).pack()


def changed(batch: bytes) -> bytes:
    """The same seeds, with a bit of each column's last residue turned."""
    frame = unpack_frame(batch, FrameKind.BATCH)
    parts = [part[:-1] + bytes([part[-1] ^ 1]) for part in frame.parts[1:]]
    return Frame(FrameKind.BATCH, frame.meta, (frame.parts[0], *parts)).pack()


def former_check(seen: set[tuple[str, bytes]]) -> Any:
    """How it was: hashes of whole ciphertexts, held for a contract."""

    def check(session: Session, bank: str, head: ParsedBatch) -> None:
        prints = {(head.contract, hashlib.sha256(part).digest()) for part in head.ciphertexts}
        if prints & seen:
            raise Conflict("Sent before.")
        seen.update(prints)

    return check


@pytest.mark.without_control("seed once")
def test_with_ciphertexts_held_for_a_contract_one_is_evaluated_three_times(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scoring, "check_fresh_ciphertexts", former_check(set()))
    first, second = scene.contract(), scene.contract()
    batch = encrypted(scene, first, prepared(scene, first))
    elsewhere = moved(batch, second, prepared(scene, second))
    sent = [batch, elsewhere, changed(batch)]
    replies = [
        scene.bureau.scoring.score(contract, JOB, by)[0]
        for contract, by in zip((first, second, first), sent, strict=True)
    ]
    assert len(set(replies)) == 3
    one, other = (scene.bank.keys.decrypt(replies[n], rows=6, batch=sent[n]) for n in (0, 1))
    assert (one == other).all()


@pytest.mark.with_control("seed once")
def test_a_seed_is_taken_once_from_a_bank_under_whatever_contract_and_with_whatever_residues(
    scene_on_both: Scene,
) -> None:
    scene = scene_on_both
    first, second = scene.contract(), scene.contract()
    batch = encrypted(scene, first, prepared(scene, first))
    tags = prepared(scene, second)
    reply, receipt = scene.bureau.scoring.score(first, JOB, batch)
    for contract, again in (
        (second, moved(batch, second, tags)),
        (second, changed(moved(batch, second, tags))),
        (first, changed(batch)),
    ):
        with pytest.raises(Conflict, match="seeds were seen before"):
            scene.bureau.scoring.score(contract, JOB, again)
    assert scene.bureau.bank_contracts.allowance(second)["scores"]["total"] == 0
    assert scene.bureau.bank_contracts.allowance(first)["scores"]["total"] == 6

    # The batch itself is no repeat: the same job, the same reply, no second charge, also after a restart.
    scene.reopen()
    assert scene.bureau.scoring.score(first, JOB, batch) == (reply, receipt)
    assert scene.bureau.bank_contracts.allowance(first)["scores"]["total"] == 6
    with scene.bureau.store.begin_read() as session:
        held = list(session.scalars(select(CiphertextSeedRow.seed)))
    parts = unpack_frame(batch, FrameKind.BATCH).parts[1:]
    assert sorted(held) == sorted(part[:SEED_BYTES] for part in parts)
    scene.bureau.scoring.score(second, JOB, encrypted(scene, second, tags))
