"""How matching lies in frames: elements of fixed width, one after another, and the tags that name enterprises.

Elements are cut from the frame by width and count alone; nobody's protobuf is parsed.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from protocols.wire.frame import Frame, Kind, MalformedFrame, unpack

TAG_BYTES = 16
MAX_ELEMENTS = 1_000_000
_TAG_DOMAIN = b"shulab tag v1\x00"


def pack_elements(kind: Kind, engine: str, elements: NDArray[np.uint8]) -> bytes:
    """A request or response frame over ``elements``, uint8 [n, width]."""
    return Frame(kind, {"engine": engine, "count": len(elements)}, (elements.tobytes(),)).pack()


def read_elements(data: bytes, kind: Kind, engine: str, width: int) -> NDArray[np.uint8]:
    """The elements of a request or response frame, uint8 [n, width]; raises ``MalformedFrame``."""
    frame = unpack(data, kind)
    if frame.text("engine") != engine or len(frame.parts) != 1:
        raise MalformedFrame(f"wanted one part of {engine} elements")
    count = frame.number("count", low=0, high=MAX_ELEMENTS)
    if len(frame.parts[0]) != count * width:
        raise MalformedFrame(f"wanted {width} bytes for each of {count} elements")
    return np.frombuffer(frame.parts[0], dtype=np.uint8).reshape(count, width)


def count_elements(data: bytes, kind: Kind) -> int:
    """How many elements a frame announces and its length bears out, before any native code sees it."""
    frame = unpack(data, kind)
    count = frame.number("count", low=0, high=MAX_ELEMENTS)
    if len(frame.parts) != 1 or (len(frame.parts[0]) % count if count else len(frame.parts[0])):
        raise MalformedFrame("the frame's length does not fit the number of elements it announces")
    return count


def contract_tags(contract: str, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tags, uint8 [n, 16]: SHA-256 of a domain, the contract and F(x) (the last 32 bytes of each row), cut to 128 bits.

    Tags of two contracts do not link; a tag says nothing to one who cannot evaluate F.
    """
    prefix = hashlib.sha256(_TAG_DOMAIN + contract.encode() + b"\x00")
    tags = bytearray()
    for value in np.ascontiguousarray(values[:, -32:]):
        state = prefix.copy()
        state.update(value.tobytes())
        tags += state.digest()[:TAG_BYTES]
    return np.frombuffer(bytes(tags), dtype=np.uint8).reshape(len(values), TAG_BYTES)
