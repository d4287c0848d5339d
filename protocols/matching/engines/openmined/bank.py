"""The bank's half of the openmined engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import private_set_intersection.python as psi
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray

from protocols.matching.engines.openmined.points import WIDTH, check_elements, to_array, to_list

__all__ = ["WIDTH", "blind", "check_elements", "keys_of", "unblind"]

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the P-256 group (FIPS 186-5 / SP 800-186, section 3.2.1.3)."""
_DOMAIN = b"shulab openmined blinding v1\x00"


def keys_of(seed: bytes) -> tuple[bytes, bytes]:
    """The scalar c and 1/c modulo the order, made from ``seed``: 512 bits reduced, so the bias is negligible."""
    if len(seed) < 32:
        raise ValueError(f"a seed has at least 32 bytes; found {len(seed)}")
    scalar = int.from_bytes(hashlib.sha512(_DOMAIN + seed).digest(), "big") % (_ORDER - 1) + 1
    return scalar.to_bytes(32, "big"), pow(scalar, -1, _ORDER).to_bytes(32, "big")


def blind(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """H(x)^c for each identifier, as compressed points [n, 33]."""
    return to_array(list(psi.client.CreateFromKey(key, True).CreateRequest(list(identifiers)).encrypted_elements))


def unblind(key: bytes, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The x-coordinates of H(x)^s, uint8 [n, 32]; raises ``ValueError`` for what is no point of the curve.

    The library gives positions in its own set-up only. An elliptic-curve Diffie-Hellman exchange (SP 800-56A, section
    5.7.1.2) between 1/c and the evaluated point returns the x-coordinate of (H(x)^cs)^(1/c).
    """
    scalar, curve = ec.derive_private_key(int.from_bytes(key, "big"), ec.SECP256R1()), ec.SECP256R1()
    read = ec.EllipticCurvePublicKey.from_encoded_point
    try:
        joined = b"".join(scalar.exchange(ec.ECDH(), read(curve, element)) for element in to_list(evaluated))
    except ValueError:
        raise ValueError("an evaluated element is no point of the curve") from None
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(evaluated), 32)
