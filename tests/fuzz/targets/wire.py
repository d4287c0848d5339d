"""What reaches the service before anything else: frames, and the signatures of requests."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime

from protocols.wire.frame import Frame, FrameKind, MalformedFrame, is_frame, unpack_frame
from protocols.wire.http_signatures import SignatureRejected, verify_request
from tests.fuzz.target import Target, vectors

_NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
_BUREAU = vectors("receipt")["bureau"]


def read_frame(data: bytes) -> None:
    """The first byte says which kind is wanted; what is read is written again as it was."""
    kind = FrameKind(1 + data[0] % len(FrameKind)) if data else FrameKind.BATCH
    frame = unpack_frame(data[1:], kind)
    assert is_frame(data[1:]) and frame.pack() == data[1:]
    for name in frame.meta:
        try:
            frame.text(name)
        except MalformedFrame:
            frame.number(name, low=-(2**63), high=2**63)


def frames() -> list[bytes]:
    """Frames of every kind."""
    found = [bytes.fromhex(each["frame"]) for each in vectors("matching-frames")["frames"]]
    found += [
        Frame(kind, {"count": 1}, (bytes(32),)).pack() for kind in (FrameKind.MATCH_REQUEST, FrameKind.MATCH_RESPONSE)
    ]
    found += [
        Frame(FrameKind.CONTEXT, {"parameters": "bgv-8192-a"}, (b"key", b"proof")).pack(),
        Frame(FrameKind.BATCH, {"rows": 1, "list": [1, "a", True, None]}, (bytes(16), b"column")).pack(),
        Frame(FrameKind.REPLY, {}, ()).pack(),
    ]
    return [bytes([frame[5] - 1]) + frame for frame in found]


def read_request(data: bytes) -> None:
    """Lines: method, target, then header fields; what verifies has a body to be checked."""
    lines = data.decode("latin-1").split("\n")
    method, target, fields = lines[0], "".join(lines[1:2]), lines[2:]
    headers = [(name, value) for name, _, value in (line.partition(":") for line in fields)]
    verified = verify_request(method, target, headers, bureau_key=_BUREAU, now=_NOW)
    verified.check_body(b"")


def requests() -> list[bytes]:
    """Signed requests, and one whose signature covers less."""
    found = []
    for each in vectors("request-signature")["requests"]:
        lines = [each["method"], each["target"], *(f"{name}:{value}" for name, value in each["headers"].items())]
        found.append("\n".join(lines).encode("latin-1"))
    digest = b64encode(hashlib.sha256(b"").digest())
    found.append(found[0].replace(b'"@query" ', b"") + b"\nContent-Digest:sha-256=:" + digest + b":")
    return found


TARGETS = (
    Target("frame", read_frame, (MalformedFrame,), frames),
    Target(
        "request-signature",
        read_request,
        (SignatureRejected,),
        requests,
    ),
)
