"""Who reads the network has a bank's signed request, headers and all, and sends it again.

They have no key. They want what the bank was answered: the bank sheet of a model, which strangers do not get. What
stops it: the nonce, which is taken once, and the age of a signature, after which no nonce need be remembered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from lab.bureau.store.tables import NonceRow
from protocols.wire import http_signatures
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Replayed request",
    who="a stranger",
    wants="to be answered in a bank's name by sending the bank's recorded request again",
    stopped_by={
        "nonce": "Each signature carries a nonce, which is accepted once.",
        "age": "A signature expires after 300 seconds, before its nonce is forgotten.",
    },
    code=["protocols.wire.http_signatures", "sandbox.auth.bank"],
)


def captured(house: House, **more) -> tuple[str, dict[str, str], bytes]:
    """What the listener holds after the bank has fetched the sheet: target, headers, and the answer."""
    target = f"/v1/contracts/{house.scene.contract()}/sheet"
    headers = house.signed("GET", target, **more)
    first = house.send("GET", target, headers)
    return target, headers, first.content


def replay(house: House, target: str, headers: dict[str, str]) -> bytes | None:
    answer = house.send("GET", target, headers)
    return answer.content if answer.status_code == 200 else None


@pytest.mark.without_control("nonce")
def test_without_nonces_the_replay_reads_the_sheet(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.bureau.nonces, "claim", lambda *_: None)
    target, headers, sheet = captured(house)
    assert b'"credit"' in sheet and replay(house, target, headers) == sheet


@pytest.mark.with_control("nonce")
def test_the_replay_reads_nothing_and_is_in_the_ledger(house: House) -> None:
    target, headers, sheet = captured(house)
    assert b'"credit"' in sheet
    assert [replay(house, target, headers) for _ in range(2)] == [None, None]
    assert [one["facts"]["operation"] for one in house.entries("refused")] == ["replay", "replay"]


def forget_nonces(house: House) -> None:
    """Nonces are forgotten after twenty minutes; the listener waits for that."""
    with house.bureau.store.begin() as session:
        session.execute(delete(NonceRow))


@pytest.mark.without_control("age")
def test_without_the_age_the_replay_waits_until_its_nonce_is_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=30)
    monkeypatch.setitem(http_signatures.verify_request.__kwdefaults__ or {}, "max_age", timedelta(days=9))
    target, headers, sheet = captured(house, created=long_ago)
    forget_nonces(house)
    assert b'"credit"' in sheet and replay(house, target, headers) == sheet


@pytest.mark.with_control("age")
def test_an_old_request_reads_nothing_when_its_nonce_is_forgotten(house: House) -> None:
    target = f"/v1/contracts/{house.scene.contract()}/sheet"
    for minutes in (6, 30):
        headers = house.signed("GET", target, created=datetime.now(UTC) - timedelta(minutes=minutes))
        forget_nonces(house)
        assert replay(house, target, headers) is None
