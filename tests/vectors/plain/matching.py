"""Matching: tags and marks from values F(x), places of marks, and the coded sets of places."""

from __future__ import annotations

import hashlib


def prefixed(text: str) -> bytes:
    """UTF-8 behind its length in two bytes."""
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def tag_and_mark(contract: str, identifier: str, value: bytes) -> tuple[bytes, bytes]:
    """The two halves of the outer hash of an identifier's value."""
    data = b"shulab match v2\x00" + prefixed(contract) + prefixed(identifier) + value
    digest = hashlib.sha256(data).digest()
    return digest[:16], digest[16:]


def count_mark(contract: str, job: str, value: bytes) -> bytes:
    """The mark for counting: of one job, and without the identifier."""
    return hashlib.sha256(b"shulab count v1\x00" + prefixed(contract) + prefixed(job) + value).digest()[:16]


def place(mark: bytes, buckets: int, slots: int) -> tuple[int, int]:
    """A mark's bucket and its place there: the first 32 and the last 64 bits, scaled to their ranges.

    The last 64 bits are scaled as two words, so the lowest bit may be one less than of the exact product.
    """
    bucket = int.from_bytes(mark[:4], "big") * buckets >> 32
    high, low = int.from_bytes(mark[8:12], "big"), int.from_bytes(mark[12:], "big")
    return bucket, (high * slots << 8) + (low * slots >> 24)


def encode(places: list[int]) -> bytes:
    """Sorted places in Golomb-Rice code: parameter, count and length of the unary part, unary part, remainders."""
    if not places:
        return b""
    gaps = [after - before for before, after in zip([0, *places[:-1]], places, strict=True)]
    bits = max(places[-1] // len(places), 1).bit_length()
    k = min(range(max(bits - 2, 0), bits + 1), key=lambda k: sum(k + 1 + (gap >> k) for gap in gaps))
    unary = _packed("".join("0" * (gap >> k) + "1" for gap in gaps))
    rest = _packed("".join(f"{gap & (1 << k) - 1:0{k}b}" if k else "" for gap in gaps))
    return bytes([k]) + len(gaps).to_bytes(4, "little") + len(unary).to_bytes(4, "little") + unary + rest


def decode(coded: bytes) -> list[int]:
    """The places that ``encode`` wrote."""
    if not coded:
        return []
    k, count, length = coded[0], int.from_bytes(coded[1:5], "little"), int.from_bytes(coded[5:9], "little")
    runs = _bits(coded[9 : 9 + length]).split("1")[:count]
    rest = _bits(coded[9 + length :])
    places, place = [], 0
    for index, run in enumerate(runs):
        place += (len(run) << k) + (int(rest[index * k : (index + 1) * k], 2) if k else 0)
        places.append(place)
    return places


def _packed(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def _bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)
