"""A bank sends one batch and asks for its reply in hundreds of requests at once, each of which waits half a minute.

Every request that waits looks into the database again and again, and for its contract's signatures: the other banks'
requests, which share threads and database, come to their turn late. What stops it: of one bank so many wait and no
more; the others of its are told at once that there is no reply yet, and when to ask again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from protocols.scoring.messages import frame_sha256
from sandbox.http import limits
from tests.support.bureau_scene import Scene
from tests.support.served_bureau import House, serving
from tests.support.waiting import wait_until
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

CROWD, SHARE, SECONDS = 12, 3, 30


@pytest.fixture
def waiting(house: House) -> tuple[str, str]:
    """The contract and the name of a batch whose reply does not come: nobody evaluates it."""
    contract = house.scene.contract()
    batch = batch_of(house.scene, contract)
    house.bureau.scoring.receive(contract, JOB, batch)
    return contract, frame_sha256(batch)


def who_waited(scene: Scene, waiting: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of a crowd of requests were let wait, at a service where a bank may have ``SHARE``.

    When the others have been answered, the batch is evaluated: who waits has the reply.
    """
    contract, batch = waiting
    target = f"/v1/contracts/{contract}/jobs/{JOB}/batches/{batch}/reply?wait={SECONDS}"
    may_wait: list[bool] = []
    acquire = limits.WaitLimit.try_acquire

    @contextmanager
    def seen(waits: limits.WaitLimit, who: str) -> Iterator[bool]:
        with acquire(waits, who) as may:
            may_wait.append(may)
            yield may

    monkeypatch.setattr(limits.WaitLimit, "try_acquire", seen)
    with serving(scene, reply_waits_per_bank=SHARE) as house, ThreadPoolExecutor(CROWD) as crowd:
        headers = [house.signed("GET", target) for _ in range(CROWD)]
        asked = [crowd.submit(house.send, "GET", target, signed) for signed in headers]
        wait_until(lambda: len(may_wait) == CROWD and sum(one.done() for one in asked) >= may_wait.count(False))
        house.bureau.scoring.evaluate(contract, JOB, batch)
        answers = [one.result() for one in asked]
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 202} <= {"1"}
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] + statuses[202] == CROWD
    return statuses[200]


@pytest.mark.without_control("waiting share")
def test_without_a_share_the_whole_crowd_waits(
    scene: Scene, waiting: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def any_number(waits: limits.WaitLimit, share: int) -> None:
        waits._share, waits._in_use = CROWD, Counter()

    monkeypatch.setattr(limits.WaitLimit, "__init__", any_number)
    assert who_waited(scene, waiting, monkeypatch) == CROWD


@pytest.mark.with_control("waiting share")
def test_a_banks_share_waits_and_the_others_are_told_when_to_come_back(
    scene: Scene, waiting: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert who_waited(scene, waiting, monkeypatch) == SHARE
