"""Frames: the only bytes that the two parties exchange in the protocols.

A frame has a kind, a small canonical JSON object, and a list of binary parts. Parsing is strict and happens before any
native code sees a byte: every length is checked against a limit first, nothing may follow the last part, and the header
must be in canonical form (RFC 8785), so that equal frames are equal bytes.

Layout, integers big-endian::

    magic "SHLB" | version u8 | kind u8 | header length u32 | number of parts u32 | header | (part length u32 | part)*
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import rfc8785

MAGIC = b"SHLB"
VERSION = 1
TAG_BYTES = 16
"""Bytes of a tag, by which a bank names a matched enterprise to the bureau: matching makes tags, scoring sends them."""
_PREFIX = struct.Struct(">4sBBII")
_LENGTH = struct.Struct(">I")


class FrameKind(IntEnum):
    """What a frame carries, and who sends it to whom."""

    CONTEXT = 1
    """Bank to bureau, once: the public key of the homomorphic scheme, and the proof that it is one."""
    BATCH = 2
    """Bank to bureau: tags of enterprises, and one ciphertext for each column."""
    REPLY = 3
    """Bureau to bank: one ciphertext for each output."""
    MATCH_SETUP = 4
    """Bureau to bank: the manifest of a set-up."""
    MATCH_REQUEST = 5
    """Bank to bureau: blinded identifiers."""
    MATCH_RESPONSE = 6
    """Bureau to bank: the blinded identifiers, evaluated."""
    MATCH_SHARD = 7
    """Bureau to bank: buckets of a set-up."""
    MATCH_DELTA = 8
    """Bureau to bank: the difference between two set-ups."""


@dataclass(frozen=True)
class FrameLimits:
    """The largest frame that is parsed: bytes of the header, number of parts, bytes of a part, bytes of the frame."""

    header: int = 64 * 1024
    parts: int = 4096
    part: int = 64 * 1024 * 1024
    total: int = 1024 * 1024 * 1024


FRAME_LIMITS: Mapping[FrameKind, FrameLimits] = {
    FrameKind.CONTEXT: FrameLimits(parts=2, part=2 * 1024 * 1024, total=2 * 1024 * 1024 + 65536),
    FrameKind.BATCH: FrameLimits(parts=4097, part=1024 * 1024, total=1024 * 1024 * 1024),
    FrameKind.REPLY: FrameLimits(parts=4096, part=1024 * 1024, total=512 * 1024 * 1024),
    FrameKind.MATCH_SETUP: FrameLimits(parts=2, part=1024 * 1024, total=2 * 1024 * 1024),
    FrameKind.MATCH_REQUEST: FrameLimits(parts=1, part=64 * 1024 * 1024, total=64 * 1024 * 1024 + 65536),
    FrameKind.MATCH_RESPONSE: FrameLimits(parts=1, part=64 * 1024 * 1024, total=64 * 1024 * 1024 + 65536),
    FrameKind.MATCH_SHARD: FrameLimits(parts=64, part=2 * 1024 * 1024, total=128 * 1024 * 1024),
    FrameKind.MATCH_DELTA: FrameLimits(parts=65_536, part=2 * 1024 * 1024, total=512 * 1024 * 1024),
}


class MalformedFrame(ValueError):
    """Bytes that are not a frame of the kind expected. The message names the rule, never the content."""


@dataclass(frozen=True)
class Frame:
    """A frame in parts. ``meta`` holds JSON strings, numbers, booleans and flat lists of them, and nothing else."""

    kind: FrameKind
    meta: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[bytes] = ()

    def pack(self) -> bytes:
        """The frame as bytes; raises ``MalformedFrame`` if it is larger than its kind allows."""
        header = rfc8785.dumps(dict(self.meta))
        chunks = [_PREFIX.pack(MAGIC, VERSION, self.kind, len(header), len(self.parts)), header]
        for part in self.parts:
            chunks += [_LENGTH.pack(len(part)), part]
        packed = b"".join(chunks)
        _check(self.kind, len(header), len(self.parts), len(packed))
        return packed

    def text(self, name: str) -> str:
        """The header's string ``name``; raises ``MalformedFrame`` if it is not one."""
        value = self.meta.get(name)
        if not isinstance(value, str):
            raise MalformedFrame(f"a {self.kind.name} frame needs the text {name!r} in its header")
        return value

    def number(self, name: str, *, low: int, high: int) -> int:
        """The header's whole number ``name`` within [low, high]; raises ``MalformedFrame`` otherwise."""
        value = self.meta.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise MalformedFrame(f"a {self.kind.name} frame needs the number {name!r} from {low} to {high}")
        return value


def unpack_frame(data: bytes, kind: FrameKind) -> Frame:
    """Parse ``data`` as a frame of ``kind``; raises ``MalformedFrame``.

    The parts are copies, so the caller can release a large buffer as soon as its frame is parsed.
    """
    if len(data) < _PREFIX.size:
        raise MalformedFrame(f"a frame has at least {_PREFIX.size} bytes; found {len(data)}")
    magic, version, found, header_length, count = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise MalformedFrame("the bytes do not begin as a frame does")
    if version != VERSION:
        raise MalformedFrame(f"wanted frame version {VERSION}; found {version}")
    if found != kind:
        raise MalformedFrame(f"wanted a {kind.name} frame; found kind {found}")
    _check(kind, header_length, count, len(data))
    offset = _PREFIX.size + header_length
    if offset > len(data):
        raise MalformedFrame("the frame ends inside its header")
    return Frame(
        kind, _read_header(data[_PREFIX.size : offset]), _read_parts(data, offset, count, FRAME_LIMITS[kind].part)
    )


def is_frame(data: bytes) -> bool:
    """Whether ``data`` begins as a frame does. The bank's client asks this before it sends anything."""
    return len(data) >= _PREFIX.size and data[:4] == MAGIC and data[4] == VERSION and data[5] in set(FrameKind)


def _check(kind: FrameKind, header: int, parts: int, total: int) -> None:
    limits = FRAME_LIMITS[kind]
    if header > limits.header or parts > limits.parts or total > limits.total:
        raise MalformedFrame(f"a {kind.name} frame is larger than allowed")


def _read_header(data: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(data)
        canonical = rfc8785.dumps(meta)
    except (ValueError, RecursionError):
        raise MalformedFrame("the frame's header is not JSON") from None
    if not isinstance(meta, dict) or canonical != data:
        raise MalformedFrame("the frame's header is not an object in canonical form")
    return meta


def _read_parts(data: bytes, offset: int, count: int, limit: int) -> tuple[bytes, ...]:
    """``count`` parts of at most ``limit`` bytes each, from ``offset`` to the end of ``data``."""
    parts = []
    for _ in range(count):
        if offset + _LENGTH.size > len(data):
            raise MalformedFrame("the frame ends before its last part")
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if length > limit or offset + length > len(data):
            raise MalformedFrame("a part is longer than allowed or than the frame")
        parts.append(data[offset : offset + length])
        offset += length
    if offset != len(data):
        raise MalformedFrame("bytes follow the last part")
    return tuple(parts)
