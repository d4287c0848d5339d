"""Scalars of X25519: keys, and the pair (c, c') that blinds and unblinds.

**Unblinding.** A clamped scalar is a multiple of 8 in [2^254, 2^255) (RFC 7748, section 5). Unblinding needs a clamped
c' with c·c' ≡ ±1 modulo the group order l. The scalar s is a multiple of the cofactor, so s·Q is in the prime-order
group, and there c'·c·s·Q = ±s·Q, which has the same u-coordinate. Modulo 8·l each residue class of l has exactly one
multiple of 8. Let r be the one of a value; 8·l - r is the one of its negative. One of the two is in [2^254, 2^255) but
for a fraction of about 2^-126 of all c; for those, another c is drawn.

**Uniformity.** c/8 is in [2^251, 2^252) and its negatives are in (l - 2^252, l - 2^251]; together they fill [1, l). So
up to sign c/8 takes every residue of the group but for a fraction of about 2^-126, and a blinded element is within that
of uniform among the u-coordinates of the group, whatever was blinded.
"""

from __future__ import annotations

import hashlib
import os

ELEMENT_BYTES = 32
"""A u-coordinate, little-endian (RFC 7748, section 5)."""
SCALAR_MATERIAL_BYTES = 32
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Order l of the prime-order subgroup (RFC 7748, section 4.1)."""
BASE_POINT = (9).to_bytes(32, "little")
"""The base point B, of prime order (RFC 7748, section 4.1)."""
_LOW, _HIGH = 2**254, 2**255
_DOMAIN = b"shulab x25519 blinding v1\x00"


def generate_scalar() -> bytes:
    """A fresh clamped scalar, 32 bytes."""
    return clamp_scalar(os.urandom(32))


def clamp_scalar(scalar: bytes) -> bytes:
    """``decodeScalar25519`` (RFC 7748, section 5), as bytes again."""
    if len(scalar) != 32:
        raise ValueError(f"a scalar has 32 bytes; found {len(scalar)}")
    return bytes([scalar[0] & 248, *scalar[1:31], (scalar[31] & 127) | 64])


def derive_blinding_pair(seed: bytes) -> tuple[bytes, bytes]:
    """The blinding scalar c from ``seed`` (at least 32 uniform bytes), and its unblinding scalar c'.

    For any Q on the curve and any clamped s, X25519(c', X25519(s, X25519(c, Q))) = X25519(s, Q).
    """
    if len(seed) < 32:
        raise ValueError(f"a seed has at least 32 bytes; found {len(seed)}")
    counter = 0
    while True:
        blinding = clamp_scalar(hashlib.sha512(_DOMAIN + counter.to_bytes(4, "big") + seed).digest()[:32])
        unblinding = invert_blinding(int.from_bytes(blinding, "little"))
        if unblinding is not None:
            return blinding, unblinding.to_bytes(32, "little")
        counter += 1


def invert_blinding(blinding: int) -> int | None:
    """The clamped c' with c·c' ≡ ±1 modulo the order, or None if there is no such scalar."""
    inverse = pow(blinding, -1, GROUP_ORDER)
    # The multiple of 8 below 8·l that is congruent to the inverse.
    residue = inverse + GROUP_ORDER * (-inverse * pow(GROUP_ORDER, -1, 8) % 8)
    for candidate in (residue, 8 * GROUP_ORDER - residue):
        if _LOW <= candidate < _HIGH:
            return candidate
    return None
