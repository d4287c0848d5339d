"""A second bureau, hostile, passes on to the first what a bank signed for the second.

A bank works with two bureaus under one key. The hostile one wants to read the sheet of a model at the honest one, in
the bank's name. What stops it: the bureau's key, which is in every signature.
"""

from __future__ import annotations

import pytest

from protocols.wire.http_signatures import verify_request
from tests.support.bureau_standin import Key
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Relayed request",
    who="the bureau",
    wants="to read another bureau's answers by passing on what a bank signed for itself",
    stopped_by={
        "addressee": "Each signature covers the key of the bureau it is meant for.",
    },
    code=["protocols.wire.http_signatures"],
)


def relay(house: House) -> bytes | None:
    """What the honest bureau answers to a request that the bank made for the other one."""
    target = f"/v1/contracts/{house.scene.contract()}/sheet"
    headers = house.signed("GET", target, bureau_key=Key().public_key_hex)
    answer = house.send("GET", target, headers)
    return answer.content if answer.status_code == 200 else None


@pytest.mark.without_control("addressee")
def test_without_the_addressee_the_relayed_request_reads_the_sheet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anybody(method: str, target: str, headers, *, bureau_key: str, now):
        found = list(headers)
        return verify_request(method, target, found, bureau_key=dict(found)["shulab-bureau"], now=now)

    monkeypatch.setattr("sandbox.auth.bank.verify_request", anybody)
    sheet = relay(house)
    assert sheet is not None and b'"credit"' in sheet


@pytest.mark.with_control("addressee")
def test_the_relayed_request_reads_nothing(house: House) -> None:
    assert relay(house) is None
