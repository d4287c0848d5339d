"""The bureau's half of the x25519 engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.x25519 import backend, element_checks, hash_to_curve, openssl, scalars
from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES, SCALAR_MATERIAL_BYTES

__all__ = [
    "ELEMENT_BYTES",
    "SCALAR_MATERIAL_BYTES",
    "arithmetic_library",
    "check_elements",
    "derive_key",
    "evaluate_elements",
    "evaluate_register",
    "generate_key",
    "public_key",
]


def arithmetic_library() -> str:
    """The name of the library that does the arithmetic in this process."""
    return backend.select_backend().name


def generate_key() -> bytes:
    """A fresh clamped scalar s, 32 bytes."""
    return scalars.generate_scalar()


def derive_key(material: bytes) -> bytes:
    """32 uniform bytes, clamped (RFC 7748, section 5)."""
    return scalars.clamp_scalar(material)


def public_key(key: bytes) -> bytes:
    """P = X25519(s, 9), 32 bytes, of prime order because B is."""
    return openssl.multiply(key, np.frombuffer(scalars.BASE_POINT, dtype=np.uint8).reshape(1, ELEMENT_BYTES)).tobytes()


def evaluate_register(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """F(x) = s·H(x) for each identifier, uint8 [n, 32], in order."""
    return backend.select_backend().multiply(key, hash_to_curve.encode_to_curve(identifiers))


def check_elements(blinded: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless the elements are canonical and all different; no arithmetic on the curve."""
    element_checks.check_canonical(blinded)


def evaluate_elements(key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """s·b for each blinded element b, uint8 [n, 32], in order.

    Raises ``ValueError`` for an element on the twist or of small order.
    """
    element_checks.check_on_curve(blinded)
    return backend.select_backend().multiply(key, blinded)
