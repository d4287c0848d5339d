"""A bank goes on under a contract that was suspended, revoked, or is over.

It keeps its job, its tags and its set-up, and wants one more score: by a new batch, by one under evaluation at the
moment of the revocation, or by fetching a reply later. What stops it: every request, and the keeping of every reply,
asks for the state with the contract locked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.bureau.contracts import policy
from lab.bureau.exchange import access
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import Scene
from tests.unit.lab.bureau.test_exchange import JOB, batch_of, meanwhile

pytestmark = pytest.mark.threat(
    "Work after revocation",
    who="a bank",
    wants="to work under a contract that is suspended, revoked or over",
    stopped_by={
        "state on request": "Each request checks the contract's state.",
        "state on reply": ("The state is checked again, with the contract locked, before a reply is stored or given."),
    },
    code=["lab.bureau.exchange.scoring.batch_scoring"],
)

__all__ = ["meanwhile"]
STOPS: dict[str, Callable[[Scene, str], None]] = {
    "suspended": lambda scene, contract: scene.suspend(contract),
    "revoked": lambda scene, contract: scene.revoke(contract),
    "over": lambda scene, contract: scene.later(days=31),
}
ways = pytest.mark.parametrize("stop", STOPS)


def go_on(scene: Scene, stop: str) -> bytes:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    STOPS[stop](scene, contract)
    return scene.bureau.scoring.score(contract, JOB, batch)[0]


@pytest.fixture
def any_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks for the state, of the contract or of the job."""
    monkeypatch.setattr(policy, "check_state", lambda *_: None)
    monkeypatch.setattr(access, "check_open", lambda *_: None)
    monkeypatch.setattr("lab.bureau.exchange.jobs.OPEN", "stopped")


@pytest.mark.without_control("state on request")
@ways
@pytest.mark.usefixtures("any_state")
def test_without_the_state_the_bank_goes_on(scene: Scene, stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if stop == "over":
        monkeypatch.setattr("lab.bureau.exchange.jobs.OPEN", "open")
    assert go_on(scene, stop)


@pytest.mark.with_control("state on request")
@ways
def test_nothing_is_scored_any_more(scene: Scene, stop: str) -> None:
    with pytest.raises(NotAllowed, match=r"suspended|revoked|expired"):
        go_on(scene, stop)


def stopped_meanwhile(scene: Scene, meanwhile: Callable[[Callable[[], object]], None]) -> bytes:
    contract = scene.contract()
    batch = batch_of(scene, contract)
    meanwhile(lambda: scene.revoke(contract))
    return scene.bureau.scoring.score(contract, JOB, batch)[0]


@pytest.mark.without_control("state on reply")
@pytest.mark.usefixtures("any_state")
def test_without_the_state_a_batch_under_evaluation_is_answered(
    scene: Scene, meanwhile: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.bureau.exchange.jobs.OPEN", "open")
    assert stopped_meanwhile(scene, meanwhile)


@pytest.mark.with_control("state on reply")
def test_a_batch_under_evaluation_is_not_answered(
    scene_on_both: Scene, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    with pytest.raises(NotAllowed, match="revoked"):
        stopped_meanwhile(scene_on_both, meanwhile)
    assert list((scene_on_both.home / "replies").iterdir()) == []


@pytest.mark.with_control("state on reply")
def test_a_reply_is_not_fetched_later(scene: Scene) -> None:
    contract = scene.contract()
    charge = scene.bureau.scoring.receive(contract, JOB, batch_of(scene, contract))
    scene.bureau.scoring.evaluate(contract, JOB, charge.sha256)
    scene.revoke(contract)
    with pytest.raises(NotAllowed, match="revoked"):
        scene.bureau.scoring.reply(contract, JOB, charge.sha256)
