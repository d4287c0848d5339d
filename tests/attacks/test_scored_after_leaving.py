"""A bank scores an enterprise that has withdrawn its consent, or left the register, from a ciphertext that is kept.

It needs no new match: the batch that was answered before is named again when the register has changed. Or it lets the
withdrawal happen while its batch waits. It wants one more score of somebody who said no. What stops it: the
enterprises of a batch are looked up when it is named, before its reply is kept and before it is given. Who is gone is
dropped from the batch: no record and no weight enters its slot, only a random number. A bank that pays no heed to the
reply's marks, and decrypts all slots, has that number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from lab.bureau.data.consents import ConsentService
from lab.bureau.exchange.scoring import batch_validation
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import NotAllowed
from protocols.scoring import messages
from tests.support.bureau_scene import PARAMS, Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import AGAIN, again, import_again, name_of, sent
from tests.unit.lab.bureau.exchange.test_access import CONSENT, give
from tests.unit.lab.bureau.test_exchange import HERE, meanwhile

pytestmark = pytest.mark.threat(
    "Scored after leaving",
    who="a bank",
    wants=(
        "to score an enterprise that withdrew its consent or left the register, from a ciphertext that is still kept"
    ),
    stopped_by={
        "consents again": (
            "Consents are checked when a batch is named, before its reply is stored and before it is given. Who"
            " withdrew is dropped: its slot gets a random number. Once the reply is stored, all of it is held back."
        ),
        "register again": "Who left the register is dropped in the same way, with the same mark.",
    },
    code=["lab.bureau.exchange.scoring.batch_validation", "lab.bureau.exchange.scoring.dropped_rows"],
)

__all__ = ["meanwhile"]
ROWS = list(range(HERE.start, HERE.stop))
WAYS = pytest.mark.parametrize("when", ["before", "while it is evaluated", "before it is fetched"])


def score_who_withdrew(scene: Scene, when: str, meanwhile: Callable[[Callable[[], object]], None]) -> bool:
    """Whether the bank has a right score of the enterprise that withdrew."""
    contract = scene.contract(consent=CONSENT)
    give(scene, ROWS)
    batch = sent(scene, contract)
    public = import_again(scene)

    def withdraw() -> None:
        gone = [scene.tables.codes[ROWS[0]]]
        scene.bureau.consents.withdraw(gone, reason="by letter", by="person:steward", id_kind="opaque")

    if when == "before":
        withdraw()
    elif when == "while it is evaluated":
        meanwhile(withdraw)
    else:
        scene.bureau.scoring.receive_rescoring(contract, AGAIN, name_of(batch))
        scene.bureau.scoring.evaluate(contract, AGAIN, name_of(batch))
        withdraw()
    return slots(scene, batch, again(scene, contract, batch))[0] == scores_in_clear(scene, public)[0]


def slots(scene: Scene, batch: bytes, reply: bytes) -> list[list[int]]:
    """The sums in all slots of a batch, read by a bank that pays no heed to the reply's marks."""
    name, params = messages.frame_sha256(batch), PARAMS
    outputs = messages.read_reply(reply, params, batch=name, rows=len(ROWS)).outputs
    forged = messages.pack_reply(params, name, len(ROWS), list(outputs))
    found: list[list[int]] = scene.bank.keys.decrypt(forged, rows=len(ROWS), batch=batch).T.tolist()
    return found


def scores_in_clear(scene: Scene, public: pl.DataFrame) -> list[list[int]]:
    """The right sums of each enterprise of the batch."""
    indicators = scene.model.sheet(ResultDetail.FULL).compute_indicators(scene.tables.bank[HERE])
    sums = scene.model.score_weights(public[HERE], ResultDetail.FULL).apply_to_indicators(indicators)
    found: list[list[int]] = sums.T.tolist()
    return found


@pytest.mark.without_control("consents again")
@WAYS
def test_without_the_look_at_consents_who_withdrew_is_scored(
    scene: Scene, when: str, meanwhile: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal is written down, and nobody asks any more."""
    original = scene.bureau.consents.withdraw

    def withdraw(*arguments, **named):
        monkeypatch.setattr(ConsentService, "consenting_rows", lambda *_: None)
        return original(*arguments, **named)

    monkeypatch.setattr(scene.bureau.consents, "withdraw", withdraw)
    assert score_who_withdrew(scene, when, meanwhile)


@pytest.mark.with_control("consents again")
@WAYS
def test_who_withdrew_is_not_scored(scene: Scene, when: str, meanwhile: Callable[[Callable[[], object]], None]) -> None:
    try:
        assert not score_who_withdrew(scene, when, meanwhile)
        assert when != "before it is fetched"
    except NotAllowed as refused:
        assert when == "before it is fetched" and "1 of 6 enterprises" in refused.detail


def score_who_left(scene: Scene) -> tuple[list[list[int]], list[list[int]]]:
    """What is in all slots of the batch, and the right sums."""
    contract = scene.contract()
    batch = sent(scene, contract)
    public = import_again(scene, without=(HERE.start,))
    return slots(scene, batch, again(scene, contract, batch)), scores_in_clear(scene, public)


@pytest.mark.without_control("register again")
def test_without_the_look_at_the_register_who_left_has_a_score(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not there is given the records of the register's last row, as numpy reads -1."""
    monkeypatch.setattr(batch_validation, "find_known", lambda rows: np.ones(len(rows), dtype=np.bool_))
    found, right = score_who_left(scene)
    last = scene.model.score_weights(last_row(scene), ResultDetail.FULL)
    indicators = scene.model.sheet(ResultDetail.FULL).compute_indicators(scene.tables.bank[HERE][:1])
    assert found == [last.apply_to_indicators(indicators).T.tolist()[0], *right[1:]]


def last_row(scene: Scene) -> pl.DataFrame:
    """The records of the register's last row."""
    table = pl.read_csv(scene.home.parent / "again.csv").sort("id")
    return table[-1:].select(scene.tables.public.columns)


@pytest.mark.with_control("register again")
def test_who_left_has_a_random_number_and_the_others_their_scores(scene: Scene) -> None:
    found, right = score_who_left(scene)
    assert found[1:] == right[1:] and found[0] != right[0]
    assert max(abs(number) for number in found[0]) > max(abs(number) for sums in right for number in sums)
