"""Identifiers to the curve: ``curve25519_XMD:SHA-512_ELL2_NU_`` of RFC 9380 (section 8.5), u-coordinates only.

The result is the point *before* its cofactor is cleared (Q in the RFC's test vectors). Every scalar of X25519 is a
multiple of the cofactor 8 (RFC 7748, section 5), so k·Q = (k/8)·(8·Q) = (k/8)·P, where P is the RFC's output. The sign
of y does not matter, because a point and its negative have the same u-coordinate.

Field arithmetic is gmpy2's. Inversions are the expensive part, so they are done together (Montgomery's trick: three
multiplications for each element and one inversion for each batch). The time depends on the identifiers, but only the
party that knows them spends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES

DST = b"SHULAB-V01-CS01-with-curve25519_XMD:SHA-512_ELL2_NU_"
"""Domain separation tag (RFC 9380, section 3.1): protocol, version, and the suite."""
PRIME = mpz(2**255 - 19)
_J = mpz(486662)
_L = 48  # bytes of a field element before reduction: ceil((255 + 128) / 8) (RFC 9380, section 5.1)
_SHA512_BLOCK = 128
_BATCH = 4096


def encode_to_curve(identifiers: Sequence[str], dst: bytes = DST) -> NDArray[np.uint8]:
    """u-coordinates of the identifiers' points, little-endian, uint8 [n, 32]; identifiers are encoded as UTF-8."""
    out = bytearray()
    for start in range(0, len(identifiers), _BATCH):
        fields = hash_to_field((name.encode() for name in identifiers[start : start + _BATCH]), dst)
        for u in map_to_curve_elligator2(fields):
            out += u.to_bytes(ELEMENT_BYTES, "little")
    return np.frombuffer(bytes(out), dtype=np.uint8).reshape(len(identifiers), ELEMENT_BYTES)


def hash_to_field(messages: Iterable[bytes], dst: bytes) -> list[mpz]:
    """One field element for each message: ``hash_to_field`` with ``expand_message_xmd`` (RFC 9380, 5.2 and 5.3.1).

    It needs 48 bytes and SHA-512 gives 64, so the expansion is a single block: b_1. Raises ``ValueError`` for a tag of
    more than 255 bytes.
    """
    if len(dst) > 255:
        raise ValueError("a domain separation tag has at most 255 bytes")
    dst_prime = dst + bytes([len(dst)])
    padded = hashlib.sha512(bytes(_SHA512_BLOCK))
    tail = _L.to_bytes(2, "big") + b"\x00" + dst_prime
    last = b"\x01" + dst_prime
    sha512, fields = hashlib.sha512, []
    for message in messages:
        state = padded.copy()
        state.update(message + tail)
        block = sha512(state.digest() + last).digest()
        fields.append(mpz.from_bytes(block[:_L], "big") % PRIME)
    return fields


def map_to_curve_elligator2(fields: Sequence[mpz]) -> list[mpz]:
    """u-coordinates of ``map_to_curve_elligator2`` (RFC 9380, section 6.7.1) with Z = 2, J = 486662, K = 1.

    1 + 2·u² is never zero, since -1/2 is no square modulo 2^255 - 19, so the RFC's exceptional case does not occur.
    """
    xs = []
    for inverse in _invert_all([1 + 2 * field * field % PRIME for field in fields]):
        x = -_J * inverse % PRIME
        if gmpy2.legendre(_curve(x), PRIME) < 0:
            x = (-x - _J) % PRIME
        xs.append(x)
    return xs


def is_on_curve(u: mpz) -> bool:
    """Whether ``u`` is the u-coordinate of a point of the curve, and not only of its twist (Legendre's symbol)."""
    return bool(gmpy2.legendre(_curve(u), PRIME) >= 0)


def _curve(x: mpz) -> mpz:
    return x * (x * (x + _J) + 1) % PRIME


def _invert_all(values: Sequence[mpz]) -> list[mpz]:
    """1/v for each v, none of them zero: one inversion for all (Montgomery 1987, section 10.3.1)."""
    products, product = [], mpz(1)
    for value in values:
        products.append(product)
        product = product * value % PRIME
    inverse = gmpy2.invert(product, PRIME)
    inverses = []
    for value, before in zip(reversed(values), reversed(products), strict=True):
        inverses.append(inverse * before % PRIME)
        inverse = inverse * value % PRIME
    inverses.reverse()
    return inverses
