"""Who stands between bank and bureau changes a signed request on its way, or writes one in the bank's name.

They want a job in the bank's name for ten times as many enterprises, or to end the bank's job. What stops it: the
signature over method, path, query and body.
"""

from __future__ import annotations

import json

import pytest

from lab.bank.connection.client import JobDescription
from protocols.wire.http_signatures import COVERED_COMPONENTS, VerifiedRequest
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Forged request",
    who="a stranger",
    wants="to change a bank's request on its way, or to write one in the bank's name",
    stopped_by={
        "signature": "The bank signs method, path, query and body (RFC 9421).",
    },
    code=["protocols.wire.http_signatures", "sandbox.auth.bank"],
)

JSON = {"content-type": "application/json"}


def card(rows: int) -> bytes:
    return json.dumps({"recipient": RECIPIENT, "model": "credit", "model_version": 1, "rows": rows}).encode()


def forge(house: House, contract: str) -> list[int]:
    """The status of a job made larger on its way, and of a request to end a job that the bank never wrote."""
    target = f"/v1/contracts/{contract}/jobs/one"
    opening = house.signed("PUT", target, card(10)) | JSON
    larger = house.send("PUT", target, opening, card(1000)).status_code
    reading = house.signed("GET", f"/v1/contracts/{contract}/jobs/mine")
    ending = house.send("POST", f"/v1/contracts/{contract}/jobs/mine/end", reading).status_code
    return [larger, ending]


def open_mine(house: House) -> str:
    contract = house.scene.contract()
    house.outlet().open_job(contract, "mine", JobDescription(RECIPIENT, "credit", 1, 10))
    return contract


@pytest.mark.without_control("signature")
def test_without_the_signature_the_forgery_works(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(method: str, target: str, headers, *, bureau_key: str, now) -> VerifiedRequest:
        found = dict(headers)
        key = found["signature-input"].partition('keyid="')[2][:64]
        return VerifiedRequest(key, found["signature-input"], now, found["content-digest"])

    monkeypatch.setattr("sandbox.auth.bank.verify_request", believe)
    monkeypatch.setattr(VerifiedRequest, "check_body", lambda *_: None)
    monkeypatch.setattr("lab.bureau.exchange.nonces.NonceStore.claim", lambda *_: None)
    contract = open_mine(house)
    assert forge(house, contract) == [200, 200]
    assert house.bureau.jobs.find(contract, "one").parameters.rows == 1000
    assert house.bureau.jobs.find(contract, "mine").state == "ended"


@pytest.mark.with_control("signature")
def test_the_forgery_changes_nothing(house: House) -> None:
    assert {"@method", "@path", "@query", "content-digest"} <= set(COVERED_COMPONENTS)
    contract = open_mine(house)
    assert forge(house, contract) == [401, 401]
    assert house.bureau.jobs.find(contract, "mine").state == "open"
    assert house.outlet().allowance(contract)["jobs"]["used"] == 1
