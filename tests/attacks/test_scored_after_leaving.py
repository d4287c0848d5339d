"""A bank scores an enterprise that has withdrawn its consent, or left the register, from a ciphertext that is kept.

It needs no new match: the batch that was answered before is named again when the register has changed. Or it lets the
withdrawal happen while its batch waits. It wants one more score of somebody who said no. What stops it: the
enterprises of a batch are looked up when it is named, before its reply is kept and before it is given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lab.bureau.data.consents import ConsentService
from lab.bureau.exchange.scoring import batch_validation
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.exchange.scoring.test_reevaluation import AGAIN, again, import_again, name_of, plain, sent
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
            "Consents are checked when a batch is named, before its reply is stored and before it is given. The"
            " whole batch is refused."
        ),
        "register again": "A batch with an enterprise that left the register is refused in the same words.",
    },
    code=["lab.bureau.exchange.scoring.batch_validation"],
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
    return plain(scene, batch, again(scene, contract, batch), public)


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
    with pytest.raises(NotAllowed, match="1 of 6 enterprises"):
        score_who_withdrew(scene, when, meanwhile)


def score_who_left(scene: Scene) -> np.ndarray:
    contract = scene.contract()
    batch = sent(scene, contract)
    import_again(scene, without=HERE.start)
    reply = again(scene, contract, batch)
    return scene.bank.keys.decrypt(reply, rows=6, batch=batch)


@pytest.mark.without_control("register again")
def test_without_the_look_at_the_register_the_batch_of_who_left_is_answered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not there is given the records of the register's last row, as numpy reads -1."""
    monkeypatch.setattr(batch_validation, "_check_known", lambda _: None)
    assert score_who_left(scene).shape[1] == 6


@pytest.mark.with_control("register again")
def test_the_batch_of_who_left_is_refused(scene: Scene) -> None:
    with pytest.raises(NotAllowed, match="1 of 6 enterprises"):
        score_who_left(scene)
