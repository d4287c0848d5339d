"""The messages of matching: elements in frames, and the tag and the mark that an evaluation F(x) gives.

Elements are cut from a frame by width and count alone; no protobuf message of the other party is parsed.

Under a contract the evaluation of an identifier x is hashed to H2(contract, x, F(x)). This is the outer hash of the
2HashDH oblivious pseudorandom function (Jarecki, Kiayias, Krawczyk 2014, section 3) with the contract bound in. Its
first half, the *tag*, names a matched enterprise to the bureau. Its second half, the *mark*, is what a set-up holds.
Neither half tells the other, so nobody can name an enterprise by the marks of a set-up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.wire.frame import TAG_BYTES, Frame, FrameKind, MalformedFrame, unpack_frame

MARK_BYTES = 16
EVALUATION_BYTES = 32
MAX_ELEMENTS = 1_000_000
MatchingOperation = Literal["match", "count"]
"""The purpose of a key, a request or a set-up."""
MIN_COUNT_IDENTIFIERS = 100
"""The fewest identifiers of a count: a count of one would tell whether that one is in the register."""
_MATCH_DOMAIN = b"shulab match v2\x00"
_COUNT_DOMAIN = b"shulab count v1\x00"


def encode_fields(*values: bytes) -> bytes:
    """Values one after another, each after its length in 4 bytes (big-endian), so the encoding is unambiguous."""
    return b"".join([len(value).to_bytes(4, "big") + value for value in values])


def matching_operation(counting: bool) -> MatchingOperation:
    """``count`` if ``counting``, else ``match``."""
    return "count" if counting else "match"


def pack_elements(kind: FrameKind, engine: str, elements: NDArray[np.uint8]) -> bytes:
    """A request or response frame over ``elements``, uint8 [n, width]."""
    return Frame(kind, {"engine": engine, "count": len(elements)}, (elements.tobytes(),)).pack()


def read_elements(data: bytes, kind: FrameKind, engine: str, width: int) -> NDArray[np.uint8]:
    """The elements of a request or response frame, uint8 [n, width]; raises ``MalformedFrame``."""
    frame = unpack_frame(data, kind)
    if frame.text("engine") != engine or len(frame.parts) != 1:
        raise MalformedFrame(f"wanted one part of {engine} elements")
    count = frame.number("count", low=0, high=MAX_ELEMENTS)
    if len(frame.parts[0]) != count * width:
        raise MalformedFrame(f"wanted {width} bytes for each of {count} elements")
    return np.frombuffer(frame.parts[0], dtype=np.uint8).reshape(count, width)


def count_elements(data: bytes, kind: FrameKind) -> int:
    """How many elements a frame announces; raises ``MalformedFrame`` unless its length fits. Runs no native code."""
    frame = unpack_frame(data, kind)
    count = frame.number("count", low=0, high=MAX_ELEMENTS)
    if len(frame.parts) != 1 or bool(frame.parts[0]) != bool(count) or (count and len(frame.parts[0]) % count):
        raise MalformedFrame("the frame's length does not fit the number of elements it announces")
    return count


def derive_tags_and_marks(
    contract: str, identifiers: Sequence[str], evaluations: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Tag and mark of each identifier under a contract, uint8 [n, 32], from the evaluations F(x), uint8 [n, 32]."""
    start, data = hashlib.sha256(_MATCH_DOMAIN + _prefixed(contract)), np.ascontiguousarray(evaluations).tobytes()
    joined = []
    for offset, identifier in zip(range(0, len(data), EVALUATION_BYTES), identifiers, strict=True):
        state, name = start.copy(), identifier.encode()
        state.update(len(name).to_bytes(2, "big") + name + data[offset : offset + EVALUATION_BYTES])
        joined.append(state.digest())
    return np.frombuffer(b"".join(joined), dtype=np.uint8).reshape(len(joined), TAG_BYTES + MARK_BYTES)


def derive_counting_marks(contract: str, job: str, evaluations: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Marks for one counting job, uint8 [n, 16], from the evaluations F(x), uint8 [n, 32].

    The identifier is left out, because the bank cannot tell which evaluation belongs to which identifier.
    """
    start = hashlib.sha256(_COUNT_DOMAIN + _prefixed(contract) + _prefixed(job))
    data, joined = np.ascontiguousarray(evaluations).tobytes(), []
    for offset in range(0, len(data), EVALUATION_BYTES):
        state = start.copy()
        state.update(data[offset : offset + EVALUATION_BYTES])
        joined.append(state.digest()[:MARK_BYTES])
    return np.frombuffer(b"".join(joined), dtype=np.uint8).reshape(len(joined), MARK_BYTES)


def _prefixed(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
