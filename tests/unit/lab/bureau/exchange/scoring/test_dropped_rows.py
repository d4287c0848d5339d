"""A batch named again is evaluated for the enterprises that are left: who is dropped, charged, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select

from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.contract.document import Ceilings, ResultDetail
from lab.terms.errors import NotAllowed
from protocols.wire.frame import MalformedFrame
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import AGAIN, again, import_again, name_of, sent
from tests.unit.lab.bureau.exchange.test_access import CONSENT, give
from tests.unit.lab.bureau.test_exchange import HERE, JOB, batch_of, meanwhile

__all__ = ["meanwhile"]

ROWS = list(range(HERE.start, HERE.stop))
WAYS = pytest.mark.parametrize("when", ["before", "while it waits", "while it is evaluated"])


def scored_rows(scene: Scene, batch: bytes, reply: bytes, public: pl.DataFrame) -> list[int]:
    """The rows that a reply says were scored, whose sums are those in clear over these public records."""
    keys = scene.bank.keys
    places, sums = (read(reply, rows=len(ROWS), batch=batch) for read in (keys.scored_places, keys.decrypt_scored))
    rows = [ROWS[place] for place in places.tolist()]
    weights = scene.model.score_weights(public[rows], ResultDetail.FULL)
    sheet = scene.model.sheet(ResultDetail.FULL)
    assert np.array_equal(sums, weights.apply_to_indicators(sheet.compute_indicators(scene.tables.bank[rows])))
    return rows


def withdraw(scene: Scene, row: int) -> None:
    gone = [scene.tables.codes[row]]
    scene.bureau.consents.withdraw(gone, reason="by letter", by="person:steward", id_kind="opaque")


def facts(scene: Scene, kind: str) -> dict[str, object]:
    """The facts of the newest entry of a kind."""
    with scene.bureau.store.begin_read() as session:
        query = select(LedgerEntryRow.body).where(LedgerEntryRow.kind == kind).order_by(LedgerEntryRow.seq.desc())
        found: dict[str, object] = json.loads(session.scalars(query).first() or "{}")["facts"]
        return found


def used(scene: Scene, contract: str) -> tuple[int, int]:
    """Scores charged in all, and enterprises counted in the second job."""
    total = scene.bureau.bank_contracts.allowance(contract)["scores"]["total"]
    return total, scene.bureau.jobs.find(contract, AGAIN).rows_used


@pytest.mark.property(
    "Rescored without those who left",
    claim=(
        "A batch named again is scored and charged for the enterprises that are left; for the others the bank gets a "
        "random number that no weight enters, marked as such. Whether somebody left or withdrew, it does not say."
    ),
    topic="scoring",
    code=["lab.bureau.exchange.scoring.dropped_rows"],
)
def test_who_left_the_register_is_dropped_and_the_others_are_scored_and_charged(scene_on_both: Scene) -> None:
    scene = scene_on_both
    contract = scene.contract()
    batch = sent(scene, contract)
    public = import_again(scene, without=(ROWS[0], ROWS[4]))
    reply = again(scene, contract, batch)
    assert scored_rows(scene, batch, reply, public) == [ROWS[place] for place in (1, 2, 3, 5)]
    with pytest.raises(MalformedFrame, match="leaves out rows"):
        scene.bank.keys.decrypt(reply, rows=6, batch=batch)
    assert used(scene, contract) == (10, 4)
    assert again(scene, contract, batch) == reply and used(scene, contract) == (10, 4)
    for kind in ("score.charged", "score.answered"):
        assert (facts(scene, kind)["rows"], facts(scene, kind)["scored"]) == (6, 4)
    answer = scene.bureau.scoring.reply(contract, AGAIN, name_of(batch))
    assert answer is not None and (answer[1].rows, answer[1].scored) == (6, 4)
    # A later version has all of them again.
    public = import_again(scene, by=2)
    scene.bank.open_job(scene.bureau, contract, "job-3", rows=6)
    assert scored_rows(scene, batch, again(scene, contract, batch, "job-3"), public) == ROWS


@pytest.mark.property("Rescored without those who left")
@WAYS
def test_who_withdrew_is_dropped_like_who_left_and_not_charged(
    scene: Scene, when: str, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = sent(scene, contract)
    first = scene.bureau.scoring.score(contract, JOB, batch)[0]
    public = import_again(scene)
    if when == "while it waits":
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
        assert used(scene, contract) == (12, 6)
    if when == "while it is evaluated":
        meanwhile(lambda: withdraw(scene, ROWS[0]))
    else:
        withdraw(scene, ROWS[0])
    reply = again(scene, contract, batch)
    assert scored_rows(scene, batch, reply, public) == ROWS[1:]
    assert used(scene, contract) == (11, 5)
    assert facts(scene, "score.charged")["scored"] == (5 if when == "before" else 6)
    assert facts(scene, "score.answered")["scored"] == 5
    assert "score.returned" not in scene.ledger()
    answer = scene.bureau.scoring.reply(contract, AGAIN, name_of(batch))
    assert answer is not None and answer[0] == reply
    # A reply has one length, whoever is dropped and why.
    import_again(scene, by=2, without=(ROWS[0],))
    scene.bank.open_job(scene.bureau, contract, "job-3", rows=6)
    left = again(scene, contract, batch, "job-3")
    assert len(left) == len(reply) and len(left) == len(first)


def test_who_withdraws_before_the_reply_is_fetched_holds_it_back(scene: Scene) -> None:
    """There is one reply to a batch and a register version, so the whole reply stays at the bureau."""
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = sent(scene, contract)
    import_again(scene, without=(ROWS[5],))
    scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    assert scene.bureau.scoring.evaluate(contract, AGAIN, name_of(batch)).state == "answered"
    withdraw(scene, ROWS[0])
    with pytest.raises(NotAllowed, match="1 of 5 enterprises in the batch are not in the register"):
        scene.bureau.scoring.reply(contract, AGAIN, name_of(batch))


def test_who_consents_after_the_charge_is_not_scored_without_one(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = sent(scene, contract)
    public = import_again(scene)
    withdraw(scene, ROWS[0])
    scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    scene.later(hours=1)
    give(scene, [ROWS[0]], evidence="another sheet")
    assert scored_rows(scene, batch, again(scene, contract, batch), public) == ROWS[1:]
    assert used(scene, contract) == (11, 5)


def test_if_everybody_withdraws_after_the_charge_all_of_it_is_refunded(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = sent(scene, contract)
    import_again(scene)
    scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
    for row in ROWS:
        withdraw(scene, row)
    assert scene.bureau.scoring.evaluate(contract, AGAIN, name_of(batch)).state == "returned"
    assert used(scene, contract) == (6, 0)
    with pytest.raises(NotAllowed, match="6 of 6 enterprises"):
        scene.bureau.scoring.reply(contract, AGAIN, name_of(batch))


def test_who_is_at_its_ceiling_is_dropped_and_if_all_are_the_batch_is_refused(scene: Scene) -> None:
    contract = scene.contract(ceilings=Ceilings(scores_per_enterprise=2))
    batch = sent(scene, contract)
    other = batch_of(scene, contract, slice(HERE.start, HERE.start + 2))
    scene.bureau.scoring.score(contract, JOB, other)
    public = import_again(scene)
    reply = again(scene, contract, batch)
    assert scored_rows(scene, batch, reply, public) == ROWS[2:]
    assert used(scene, contract) == (12, 4)
    scene.bank.open_job(scene.bureau, contract, "job-3", rows=6)
    import_again(scene, by=2)
    with pytest.raises(NotAllowed, match="term: scores_per_enterprise"):
        scene.bureau.scoring.receive_rescoring(contract, "job-3", name_of(batch))


def test_a_first_evaluation_stays_strict(scene: Scene) -> None:
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = batch_of(scene, contract)
    withdraw(scene, ROWS[0])
    with pytest.raises(NotAllowed, match="1 of 6 enterprises"):
        scene.bureau.scoring.score(contract, JOB, batch)
    give(scene, ROWS, evidence="another sheet")
    scene.bureau.scoring.receive(contract, JOB, batch)
    withdraw(scene, ROWS[1])
    assert scene.bureau.scoring.evaluate(contract, JOB, name_of(batch)).state == "returned"
    assert scene.bureau.bank_contracts.allowance(contract)["scores"]["total"] == 0


def test_a_dropped_row_leaves_the_share_of_the_leakage_budget_as_it_is(scene: Scene) -> None:
    from lab.bureau.exchange.scoring.leakage_budget import leakage_by_contract

    contract = scene.contract()
    batch = sent(scene, contract)
    with scene.bureau.store.begin_read() as session:
        before = leakage_by_contract(session)[contract]
    import_again(scene, without=tuple(ROWS[1:]))
    again(scene, contract, batch)
    with scene.bureau.store.begin_read() as session:
        assert leakage_by_contract(session)[contract] == pytest.approx(2 * before)
