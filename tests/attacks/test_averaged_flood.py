"""A bank has the same ciphertexts evaluated again and again, to average the protection out of the replies.

A reply hides the model by fresh noise (the flood). Whoever gets many replies to one batch averages the noise away.
The bank wants as many as it likes for one charge. What stops it: a batch has one reply for each register and model
version, however often it is asked for, and a new version is charged for every enterprise.
"""

from __future__ import annotations

import numpy as np
import pytest

from lab.bureau.exchange import batches
from lab.bureau.exchange.scoring.batch_scoring import ScoringService
from lab.bureau.exchange.scoring.dropped_rows import ChargedEnterprises
from lab.terms.errors import Conflict
from protocols.scoring.bank import KeyHolder
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import name_of
from tests.unit.lab.bureau.test_exchange import HERE, JOB, batch_of

pytestmark = pytest.mark.threat(
    "Averaged flood",
    who="a bank",
    wants="to average the protecting noise out of many replies to the same ciphertexts",
    stopped_by={
        "one reply": (
            "A batch has one reply for each version of register and model. A new version is charged for every "
            "enterprise under the same ceilings, and keeps no bytes longer."
        ),
    },
    code=["lab.bureau.exchange.scoring.reevaluation", "lab.bureau.exchange.scoring.leakage_budget"],
)

TURNS = 4


def ask_again(scene: Scene, contract: str, batch: bytes) -> list[bytes]:
    """Different replies to one batch, however often it is asked for: sent again, and named again in other jobs."""
    replies = {scene.bureau.scoring.score(contract, JOB, batch)[0] for _ in range(TURNS)}
    for number in range(TURNS):
        job = f"again-{number}"
        scene.bank.open_job(scene.bureau, contract, job)
        try:
            charge = scene.bureau.scoring.receive_rescoring(contract, job, name_of(batch))
        except Conflict:
            continue
        scene.bureau.scoring.evaluate(contract, job, charge.sha256)
        answer = scene.bureau.scoring.reply(contract, job, charge.sha256)
        assert answer is not None
        replies.add(answer[0])
    return sorted(replies)


def scores(keys: KeyHolder, reply: bytes, batch: bytes) -> np.ndarray:
    return keys.decrypt(reply, rows=HERE.stop - HERE.start, batch=batch)


@pytest.mark.without_control("one reply")
def test_without_the_rule_every_turn_brings_another_reply(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches.BatchRepository, "check_not_yet_evaluated", lambda *_: None)
    monkeypatch.setattr("lab.bureau.exchange.scoring.batch_scoring.check_fresh_ciphertexts", lambda *_: None)
    monkeypatch.setattr(ScoringService, "_charge", uncharged(ScoringService._charge))
    monkeypatch.setattr(ChargedEnterprises, "keep_charged", lambda room, session, validated: validated)
    contract = scene.contract()
    batch = batch_of(scene, contract)
    replies = ask_again(scene, contract, batch)
    assert len(replies) == TURNS + 1
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["used"] == 1
    # Each says the same and differs in its noise alone: just what can be averaged.
    assert len({scores(scene.bank.keys, reply, batch).tobytes() for reply in replies}) == 1


def uncharged(charge):
    """Charging that leaves the ceilings of a batch that was paid for once alone."""

    def once(room, session, work, passed, sent, now):
        with pytest.MonkeyPatch.context() as patch:
            if sent.job is not None:
                patch.setattr("lab.bureau.exchange.scoring.batch_scoring.charge_scores", lambda *_: None)
            return charge(room, session, work, passed, sent, now)

    return once


@pytest.mark.with_control("one reply")
def test_there_is_one_reply(scene: Scene) -> None:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    assert len(ask_again(scene, contract, batch)) == 1
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["used"] == 1


@pytest.mark.with_control("one reply")
def test_the_ciphertexts_in_another_batch_are_refused(scene: Scene) -> None:
    """The same columns in other frames: under other tags, or with one column more."""
    from protocols.wire.frame import Frame, FrameKind, unpack_frame

    contract = scene.contract()
    batch = batch_of(scene, contract)
    scene.bureau.scoring.score(contract, JOB, batch)
    frame = unpack_frame(batch, FrameKind.BATCH)
    tags = scene.bank.match(scene.bureau, contract, scene.tables.codes[30:36]).tags
    other = Frame(FrameKind.BATCH, frame.meta, (tags.tobytes(), *frame.parts[1:])).pack()
    with pytest.raises(Conflict, match="were sent in another one"):
        scene.bureau.scoring.score(contract, JOB, other)
