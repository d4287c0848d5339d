"""The bank's half of the x25519 engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.x25519 import backend, element_checks, hash_to_curve, scalars
from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES, SCALAR_MATERIAL_BYTES

__all__ = [
    "ELEMENT_BYTES",
    "SCALAR_MATERIAL_BYTES",
    "blind",
    "canary_elements",
    "check_elements",
    "check_public_key",
    "comparable_bytes",
    "derive_blinding_keys",
    "expected_canaries",
    "unblind",
]


def derive_blinding_keys(seed: bytes) -> tuple[bytes, bytes]:
    """The scalars that blind and unblind, from ``seed``: 32 uniform bytes."""
    return scalars.derive_blinding_pair(seed)


def blind(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """c·H(x) for each identifier, uint8 [n, 32]."""
    return backend.select_backend().multiply(key, hash_to_curve.encode_to_curve(identifiers))


def check_elements(evaluated: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless the evaluated elements are canonical and all different."""
    element_checks.check_canonical(evaluated)


def unblind(key: bytes, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """F(x) = s·H(x), uint8 [n, 32], from the evaluated elements; raises ``ValueError`` for one outside the group.

    An element on the twist is refused too. It would show nothing of an identifier, but it is not an evaluation.
    """
    element_checks.check_on_curve(evaluated)
    return backend.select_backend().multiply(key, evaluated)


def canary_elements(material: Sequence[bytes]) -> NDArray[np.uint8]:
    """X25519(r, 9) for each piece clamped to r, uint8 [m, 32].

    r is drawn as a blinding scalar is, and r·B = (r/8)·(8·B) with 8·B a generator: within 2^-126 of uniform among the
    u-coordinates of the group, as c·H(x) is (``scalars``).
    """
    return _multiply_each(material, scalars.BASE_POINT)


def expected_canaries(material: Sequence[bytes], public_key: bytes) -> NDArray[np.uint8]:
    """X25519(r, P) = r·s·B for each canary, uint8 [m, 32]; raises ``ValueError`` for a P of small order."""
    return _multiply_each(material, public_key)


def comparable_bytes(evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The elements themselves: a point and its negative have the same u-coordinate."""
    return evaluated


def check_public_key(public_key: bytes) -> None:
    """Raise ``ValueError`` unless P is a canonical u-coordinate of the curve and not of small order."""
    if len(public_key) != ELEMENT_BYTES:
        raise ValueError(f"a public key has {ELEMENT_BYTES} bytes; found {len(public_key)}")
    row = np.frombuffer(public_key, dtype=np.uint8).reshape(1, ELEMENT_BYTES)
    element_checks.check_canonical(row)
    element_checks.check_on_curve(row)
    _multiply_each([bytes(ELEMENT_BYTES)], public_key)  # refuses a small order


def _multiply_each(material: Sequence[bytes], element: bytes) -> NDArray[np.uint8]:
    """One element under the clamped scalar of each piece, uint8 [m, 32]."""
    keys = np.frombuffer(b"".join(map(scalars.clamp_scalar, material)), dtype=np.uint8).reshape(
        len(material), ELEMENT_BYTES
    )
    return backend.select_backend().multiply_each(keys, np.frombuffer(element, dtype=np.uint8))
