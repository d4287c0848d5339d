"""Frames: magic, version, kind, lengths, a canonical header, and parts with their lengths; integers big-endian."""

from __future__ import annotations

import json
from typing import Any

from tests.vectors.plain.canonical import canonical

KINDS = {
    "context": 1,
    "batch": 2,
    "reply": 3,
    "match-setup": 4,
    "match-request": 5,
    "match-response": 6,
    "match-shard": 7,
    "match-delta": 8,
}


def write(kind: str, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """The frame's bytes."""
    head = canonical(header)
    out = b"SHLB" + bytes([1, KINDS[kind]]) + len(head).to_bytes(4, "big") + len(parts).to_bytes(4, "big") + head
    for part in parts:
        out += len(part).to_bytes(4, "big") + part
    return out


def read(data: bytes) -> tuple[str, dict[str, Any], list[bytes]]:
    """Kind, header and parts; raises ``ValueError`` unless writing them again gives the same bytes."""
    kind = {number: name for name, number in KINDS.items()}[data[5]]
    length, count = int.from_bytes(data[6:10], "big"), int.from_bytes(data[10:14], "big")
    header, at = json.loads(data[14 : 14 + length]), 14 + length
    parts = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if write(kind, header, parts) != data:
        raise ValueError("these bytes are no frame")
    return kind, header, parts
