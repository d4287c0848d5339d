"""Ed25519 (RFC 8032): signing and verification with affine points."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(one: Point, other: Point) -> Point:
    """The complete addition law of -x^2 + y^2 = 1 + d x^2 y^2."""
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(k: int, point: Point) -> Point:
    """Double and add."""
    found: Point = (0, 1)
    while k:
        if k & 1:
            found = add(found, point)
        point, k = add(point, point), k >> 1
    return found


def decompress(data: bytes) -> Point:
    """RFC 8032, section 5.1.3; raises ``ValueError``."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        raise ValueError("not a point")
    return (P - x if x & 1 != sign else x), y


def compress(point: Point) -> bytes:
    """RFC 8032, section 5.1.2."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def public_key(secret: bytes) -> bytes:
    """The public key of a secret of 32 bytes."""
    return compress(times(_expand(secret)[0], BASE))


def sign(secret: bytes, message: bytes) -> bytes:
    """RFC 8032, section 5.1.6."""
    scalar, prefix = _expand(secret)
    key = compress(times(scalar, BASE))
    r = _hash(prefix, message)
    commitment = compress(times(r, BASE))
    return commitment + ((r + _hash(commitment, key, message) * scalar) % ORDER).to_bytes(32, "little")


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7, the equation without the cofactor."""
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= ORDER:
        return False
    challenge = _hash(signature[:32], key, message)
    wanted = add(decompress(signature[:32]), times(challenge, decompress(key)))
    return times(s, BASE) == wanted


def _expand(secret: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & ~7 & (2**254 - 1) | 2**254
    return scalar, digest[32:]


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER
