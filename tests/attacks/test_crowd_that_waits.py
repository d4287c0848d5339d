"""A bank sends one batch and asks for its reply in hundreds of requests at once, each of which waits half a minute.

Every request that waits looks into the database again and again, and for its contract's signatures: the other banks'
requests, which share threads and database, come to their turn late. What stops it: of one bank so many wait and no
more; the others of its are told at once that there is no reply yet, and when to ask again.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from protocols.scoring.messages import frame_sha256
from sandbox.http import limits
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import House, serving
from tests.unit.lab.bureau.test_exchange import JOB, batch_of

pytestmark = pytest.mark.threat(
    "Crowd of waiting requests",
    who="a bank",
    wants="to delay other banks by waiting for one reply in hundreds of requests",
    stopped_by={
        "waiting share": (
            "A limited number of requests of a bank wait at once; the next is answered at once, with the time "
            "to ask again."
        ),
    },
    shipped="16 for each bank (`reply_waits_per_bank`)",
    code=["sandbox.http.limits", "sandbox.api.banks.batches"],
)

CROWD, SHARE, SECONDS = 12, 3, 3


@pytest.fixture
def waiting(house: House) -> str:
    """Where a reply would be that does not come: nobody evaluates the batch."""
    contract = house.scene.contract()
    batch = batch_of(house.scene, contract)
    house.bureau.scoring.receive(contract, JOB, batch)
    return f"/v1/contracts/{contract}/jobs/{JOB}/batches/{frame_sha256(batch)}/reply?wait={SECONDS}"


def who_waited(scene: Scene, target: str) -> int:
    """How many of a crowd of requests were let wait, at a service where a bank has ``ELEMENTS_PER_CANARY``."""
    with serving(scene, reply_waits_per_bank=SHARE) as house, ThreadPoolExecutor(CROWD) as crowd:
        headers = [house.signed("GET", target) for _ in range(CROWD)]
        begun = monotonic()

        def ask(signed: dict[str, str]) -> bool:
            answer = house.send("GET", target, signed)
            assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
            return monotonic() - begun > SECONDS

        return sum(crowd.map(ask, headers))


@pytest.mark.without_control("waiting share")
def test_without_a_share_the_whole_crowd_waits(scene: Scene, waiting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def any_number(waits: limits.WaitLimit, share: int) -> None:
        waits._share, waits._in_use = CROWD, Counter()

    monkeypatch.setattr(limits.WaitLimit, "__init__", any_number)
    assert who_waited(scene, waiting) == CROWD


@pytest.mark.with_control("waiting share")
def test_a_banks_share_waits_and_the_others_are_told_when_to_come_back(scene: Scene, waiting: str) -> None:
    assert who_waited(scene, waiting) == SHARE
