"""The library that multiplies: one of two with the same results, chosen once in each process.

``SHULAB_X25519=portable`` in the environment selects the portable library where both would work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.x25519 import multibuffer, openssl, scalars

Multiply = Callable[[bytes, NDArray[np.uint8]], NDArray[np.uint8]]
MultiplyEach = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
BACKEND_VARIABLE = "SHULAB_X25519"
_RFC7748 = (
    ("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    ("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a413",
     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
)  # fmt: skip
"""Test vectors of RFC 7748, section 5.2; the unused top bit of the second u-coordinate is cleared."""
_TRIALS = 27  # more than three rounds of lanes, and not a multiple of eight


@dataclass(frozen=True, slots=True)
class X25519Backend:
    """A library that multiplies: its name, and why it was chosen."""

    name: Literal["portable", "accelerated"]
    reason: str
    multiply: Multiply
    """One scalar, 32 bytes, and many elements, uint8 [n, 32]."""
    multiply_each: MultiplyEach
    """Many scalars, uint8 [n, 32], and one element, uint8 [32]."""


_PORTABLE = (openssl.multiply, openssl.multiply_each)


@cache
def select_backend() -> X25519Backend:
    """The backend of this process: the accelerated one if it loads and passes its checks, else the portable one."""
    if os.environ.get(BACKEND_VARIABLE) == "portable":
        return X25519Backend("portable", f"asked for by {BACKEND_VARIABLE}", *_PORTABLE)
    try:
        multibuffer.load_library()
    except multibuffer.AccelerationUnavailable as reason:
        return X25519Backend("portable", str(reason), *_PORTABLE)
    if not (verify_multiply(multibuffer.multiply) and verify_multiply_each(multibuffer.multiply_each)):
        return X25519Backend("portable", "the accelerated library gave a wrong result", *_PORTABLE)
    return X25519Backend("accelerated", "ipp-crypto on AVX-512 IFMA", multibuffer.multiply, multibuffer.multiply_each)


def verify_multiply(multiply: Multiply) -> bool:
    """Whether ``multiply`` gives the results of RFC 7748 (section 5.2) and, for fresh scalars, those of OpenSSL."""
    try:
        for scalar, element, expected in _RFC7748:
            row = np.frombuffer(bytes.fromhex(element), dtype=np.uint8).reshape(1, 32)
            if multiply(bytes.fromhex(scalar), row).tobytes().hex() != expected:
                return False
        key, base = scalars.generate_scalar(), np.zeros((_TRIALS, 32), dtype=np.uint8)
        base[:, 0] = np.arange(_TRIALS) + 9
        return bool((multiply(key, base) == openssl.multiply(key, base)).all())
    except ValueError:
        return False


def verify_multiply_each(multiply_each: MultiplyEach) -> bool:
    """Whether ``multiply_each`` gives OpenSSL's results for fresh scalars."""
    try:
        keys = np.frombuffer(b"".join(scalars.generate_scalar() for _ in range(_TRIALS)), dtype=np.uint8).reshape(
            -1, 32
        )
        element = multiply_each(keys[:1], np.frombuffer(scalars.BASE_POINT, dtype=np.uint8))[0]
        return bool((multiply_each(keys, element) == openssl.multiply_each(keys, element)).all())
    except ValueError:
        return False
