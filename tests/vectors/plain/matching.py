"""Matching: keys, requests with their canaries, tags and marks from values F(x), places of marks, coded sets."""

from __future__ import annotations

import hashlib

from tests.vectors.plain import curve25519
from tests.vectors.plain.hkdf import hkdf

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (9).to_bytes(32, "little")


def fields(*values: bytes) -> bytes:
    """Values behind their lengths in four bytes."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def contract_key(secret: bytes, engine: str, contract: str, operation: str) -> bytes:
    """The key of a contract and operation from the secret of an epoch."""
    info = b"shulab matching key v1\x00" + fields(engine.encode(), contract.encode(), operation.encode())
    if engine == "x25519":
        return curve25519.encode(curve25519.clamp(hkdf(secret, b"", info, 32)))
    number = int.from_bytes(hkdf(secret, b"", info, 48), "big")
    return (number % (P256_ORDER - 1) + 1).to_bytes(32, "big")


def seed(
    domain: bytes, secret: bytes, operation: str, engine: str, contract: str, epoch: int, names: list[str]
) -> bytes:
    """The seed of a request (names as asked) or of an order (names sorted)."""
    digest = hashlib.sha256(b"".join(fields(name.encode()) for name in names)).digest()
    about = fields(operation.encode(), engine.encode(), contract.encode(), str(epoch).encode(), digest)
    return hkdf(secret, b"", domain + b"\x00" + about, 32)


def order(domain: bytes, seed_: bytes, count: int) -> list[int]:
    """Who stands first, second, ...: the places sorted by sixteen bytes each."""
    stream = hashlib.shake_256(domain + b"\x00" + seed_).digest(16 * count)
    return sorted(range(count), key=lambda place: stream[16 * place : 16 * place + 16])


def canaries(seed_: bytes, identifiers: int) -> tuple[list[int], list[bytes]]:
    """Places and scalars of a request's canaries."""
    count = max(64, -(-identifiers // 99))
    places = order(b"shulab canary places v1", seed_, identifiers + count)[:count]
    stream = hashlib.shake_256(b"shulab canary scalars v1\x00" + seed_).digest(32 * count)
    return places, [stream[at : at + 32] for at in range(0, len(stream), 32)]


def request(seed_: bytes, names: list[str]) -> list[bytes]:
    """The elements of a request: blinded identifiers in order, and canaries at their places."""
    blinding, _ = curve25519.blinding(seed_)
    points = [curve25519.encode(curve25519.hash_to_curve(name.encode())) for name in names]
    blinded = iter([curve25519.x25519(blinding, point) for point in points])
    places, scalars = canaries(seed_, len(names))
    there = dict(zip(places, scalars, strict=True))
    total = len(names) + len(places)
    return [curve25519.x25519(there[at], BASE) if at in there else next(blinded) for at in range(total)]


def finish(seed_: bytes, count: int, answers: list[bytes], public_key: bytes, counted: bool) -> list[bytes]:
    """The values F(x) of an answer; raises ``ValueError`` if a canary was answered under another key."""
    places, scalars = canaries(seed_, count)
    wanted = [curve25519.x25519(scalar, public_key) for scalar in scalars]
    if counted:
        found = [at for at, answer in enumerate(answers) if answer in wanted]
        strayed = len(found) != len(wanted)
    else:
        found, strayed = places, [answers[at] for at in places] != wanted
    if strayed:
        raise ValueError("a canary was answered under another key")
    _, unblinding = curve25519.blinding(seed_)
    return [curve25519.x25519(unblinding, answer) for at, answer in enumerate(answers) if at not in found]


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
