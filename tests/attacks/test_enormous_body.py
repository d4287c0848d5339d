"""A bank, or whoever has one signed request of its, makes the service take in more than it can hold.

They announce little and send much, send frames whose lengths lie, or headers that are nested very deep. What stops
it: caps that are held while a body comes in, and a parser that holds each length against a cap before it takes a byte
for it.
"""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from lab.bank.connection.client import JobDescription
from protocols.wire import frame as wire
from protocols.wire.frame import FRAME_LIMITS, MAGIC, FrameKind, MalformedFrame, unpack_frame
from sandbox.api import request_body
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Oversized bodies",
    who="a bank",
    wants="to make the service read more than its memory holds",
    stopped_by={
        "body cap": "The size of a body is limited while it arrives, whatever was announced.",
        "frame caps": "The parser compares each length with a limit before it allocates memory.",
    },
    code=["sandbox.api.request_body", "protocols.wire.frame"],
)

MUCH = 8 * 1024 * 1024


def send_much(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The status, and how many bytes the service held, for a document of 8 MiB where 16 KiB may come, in pieces."""
    held = [0]
    receive = request_body.receive_body

    async def watch(request, *, cap: int, idle: float, media: str = "") -> bytes:
        found = await receive(request, cap=cap, idle=idle, media=media)
        held[0] = max(held[0], len(found))
        return found

    monkeypatch.setattr(request_body, "receive_body", watch)
    body = b" " * MUCH
    with house.client() as client:
        pieces = (body[start : start + 65536] for start in range(0, MUCH, 65536))
        answer = client.post("/v1/sign-in", content=pieces, headers={"content-type": "application/json"})
    return answer.status_code, held[0]


@pytest.mark.without_control("body cap")
def test_without_the_cap_the_body_is_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = request_body._read_pieces

    def uncapped(request, *, cap: int, idle: float, media: str):
        return pieces(request, cap=2**40, idle=idle, media=media)

    monkeypatch.setattr(request_body, "_read_pieces", uncapped)
    assert send_much(house, monkeypatch)[1] == MUCH


@pytest.mark.with_control("body cap")
def test_the_body_is_not_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send_much(house, monkeypatch) == (413, 0)


def many_parts() -> bytes:
    """A frame of a hundred thousand parts of two bytes each: for each of them an object that is six times as large."""
    count = 100_000
    return struct.pack(">4sBBII", MAGIC, 1, FrameKind.BATCH, 2, count) + b"{}" + struct.pack(">IH", 2, 7) * count


def cost(data: bytes) -> int:
    """The memory that reading a frame takes, in bytes."""
    tracemalloc.start()
    try:
        unpack_frame(data, FrameKind.BATCH)
    except MalformedFrame:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


@pytest.mark.without_control("frame caps")
def test_without_caps_a_frame_takes_a_multiple_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_check", lambda *_: None)
    assert cost(many_parts()) > 5 * len(many_parts())


@pytest.mark.with_control("frame caps")
def test_a_frame_of_too_many_parts_takes_no_memory() -> None:
    assert cost(many_parts()) < len(many_parts()) / 5
    assert FRAME_LIMITS[FrameKind.BATCH].parts < 10_000


@pytest.mark.with_control("frame caps")
@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(struct.pack(">4sBBII", MAGIC, 1, FrameKind.MATCH_REQUEST, 2**31, 1), id="a header of 2 GiB"),
        pytest.param(
            struct.pack(">4sBBII", MAGIC, 1, FrameKind.MATCH_REQUEST, 2, 1) + b"{}\xff\xff\xff\xff", id="a part"
        ),
        pytest.param(struct.pack(">4sBBII", MAGIC, 1, FrameKind.MATCH_REQUEST, 60_000, 0) + b"[" * 60_000, id="a well"),
    ],
)
def test_frames_that_lie_are_refused_and_not_charged(house: House, hostile: bytes) -> None:
    contract = house.scene.contract()
    outlet = house.outlet()
    outlet.open_job(contract, "job-1", JobDescription(RECIPIENT, "credit", 1, 10))
    target = f"/v1/contracts/{contract}/matching?job=job-1"
    answer = house.send("POST", target, house.signed("POST", target, hostile), hostile)
    assert answer.status_code == 422, answer.text
    assert outlet.allowance(contract)["identifiers"]["used"] == 0
