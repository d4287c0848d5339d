"""The bank's half of the openmined engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import private_set_intersection.python as psi
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from protocols.matching.engines.openmined.points import (
    ELEMENT_BYTES,
    GROUP_ORDER,
    SCALAR_MATERIAL_BYTES,
    check_elements,
    derive_scalar,
    multiply_base_point,
    to_array,
    to_list,
)

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

_DOMAIN = b"shulab openmined blinding v1\x00"


def derive_blinding_keys(seed: bytes) -> tuple[bytes, bytes]:
    """The scalar c and 1/c modulo the order, from ``seed``: 512 bits reduced, so the bias is negligible."""
    if len(seed) < 32:
        raise ValueError(f"a seed has at least 32 bytes; found {len(seed)}")
    scalar = int.from_bytes(hashlib.sha512(_DOMAIN + seed).digest(), "big") % (GROUP_ORDER - 1) + 1
    return scalar.to_bytes(32, "big"), pow(scalar, -1, GROUP_ORDER).to_bytes(32, "big")


def blind(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """H(x)^c for each identifier, as compressed points, uint8 [n, 33]."""
    return to_array(list(psi.client.CreateFromKey(key, True).CreateRequest(list(identifiers)).encrypted_elements))


def unblind(key: bytes, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The x-coordinates of H(x)^s, uint8 [n, 32]; raises ``ValueError`` for an element off the curve.

    The library gives only positions in its own set-up. An elliptic-curve Diffie-Hellman exchange (SP 800-56A, section
    5.7.1.2) between 1/c and the evaluated point gives the x-coordinate of (H(x)^cs)^(1/c).
    """
    scalar, curve = ec.derive_private_key(int.from_bytes(key, "big"), ec.SECP256R1()), ec.SECP256R1()
    read = ec.EllipticCurvePublicKey.from_encoded_point
    try:
        joined = b"".join(scalar.exchange(ec.ECDH(), read(curve, element)) for element in to_list(evaluated))
    except ValueError:
        raise ValueError("an evaluated element is no point of the curve") from None
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(evaluated), 32)


def canary_elements(material: Sequence[bytes]) -> NDArray[np.uint8]:
    """r·G for the scalar r of each piece, as compressed points, uint8 [m, 33]: uniform in the group, as H(x)^c is."""
    return to_array([multiply_base_point(derive_scalar(piece)) for piece in material])


def expected_canaries(material: Sequence[bytes], public_key: bytes) -> NDArray[np.uint8]:
    """The x-coordinate of r·P for each canary, uint8 [m, 32]; raises ``ValueError`` for a P off the curve."""
    point, curve = _read_public_key(public_key), ec.SECP256R1()
    shared = [ec.derive_private_key(derive_scalar(piece), curve).exchange(ec.ECDH(), point) for piece in material]
    return np.frombuffer(b"".join(shared), dtype=np.uint8).reshape(len(material), 32)


def comparable_bytes(evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The x-coordinates, uint8 [n, 32]: a point and its negative give the same evaluation."""
    return np.ascontiguousarray(evaluated[:, 1:])


def check_public_key(public_key: bytes) -> None:
    """Raise ``ValueError`` unless P is a compressed point of the curve."""
    _read_public_key(public_key)


def _read_public_key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    if len(public_key) != ELEMENT_BYTES:
        raise ValueError(f"a public key has {ELEMENT_BYTES} bytes; found {len(public_key)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        raise ValueError("a public key is no point of the curve") from None
