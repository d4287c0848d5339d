"""Curve25519 by u-coordinates: hashing to it (RFC 9380), its ladder (RFC 7748), and scalars that undo each other."""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
DST = b"SHULAB-V01-CS01-with-curve25519_XMD:SHA-512_ELL2_NU_"
J = 486662


def expand_message_xmd(message: bytes, dst: bytes, length: int) -> bytes:
    """RFC 9380, section 5.3.1, with SHA-512."""
    dst_prime = dst + bytes([len(dst)])
    b0 = hashlib.sha512(bytes(128) + message + length.to_bytes(2, "big") + b"\x00" + dst_prime).digest()
    block = hashlib.sha512(b0 + b"\x01" + dst_prime).digest()
    out, count = block, 1
    while len(out) < length:
        count += 1
        block = hashlib.sha512(
            bytes(x ^ y for x, y in zip(b0, block, strict=True)) + bytes([count]) + dst_prime
        ).digest()
        out += block
    return out[:length]


def is_square(x: int) -> bool:
    """Euler's criterion."""
    return pow(x, (P - 1) // 2, P) in (0, 1)


def curve(x: int) -> int:
    """The right-hand side of y^2 = x^3 + J x^2 + x."""
    return (x**3 + J * x**2 + x) % P


def hash_to_curve(message: bytes, dst: bytes = DST) -> int:
    """The u-coordinate of Q, the point before its cofactor is cleared: RFC 9380, sections 5.2 and 6.7.1, Z = 2."""
    u = int.from_bytes(expand_message_xmd(message, dst, 48), "big") % P
    x1 = -J * pow(1 + 2 * u * u, -1, P) % P
    return x1 if is_square(curve(x1)) else (-x1 - J) % P


def clamp(scalar: bytes) -> int:
    """``decodeScalar25519`` (RFC 7748, section 5)."""
    k = int.from_bytes(scalar, "little") & ~7 & (2**255 - 1)
    return k | 2**254


def ladder(k: int, u: int) -> int:
    """The Montgomery ladder of RFC 7748, section 5, without its care for timing."""
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in reversed(range(255)):
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % P, c * b % P
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
        if k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return x2 * pow(z2, P - 2, P) % P


def x25519(scalar: bytes, element: bytes) -> bytes:
    """X25519 of RFC 7748: 32 bytes and 32 bytes to 32 bytes."""
    return encode(ladder(clamp(scalar), int.from_bytes(element, "little") % 2**255 % P))


def encode(u: int) -> bytes:
    """A u-coordinate as 32 bytes, little-endian."""
    return u.to_bytes(32, "little")


def blinding(seed: bytes, domain: bytes = b"shulab x25519 blinding v1\x00") -> tuple[bytes, bytes]:
    """The scalar that blinds, made from a seed, and the one that unblinds: their product is ±1 modulo the order."""
    for counter in range(2**32):
        c = clamp(hashlib.sha512(domain + counter.to_bytes(4, "big") + seed).digest()[:32])
        inverse = pow(c, -1, ORDER)
        multiples = (
            r + ORDER * k
            for r in (inverse, ORDER - inverse)
            for k in range(8)
            if (r + ORDER * k) % 8 == 0 and 2**254 <= r + ORDER * k < 2**255
        )
        found = next(multiples, None)
        if found is not None:
            return encode(c), encode(found)
    raise ValueError("no pair of scalars")
