"""The bureau's half of the openmined engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import private_set_intersection.python as psi
from numpy.typing import NDArray

from protocols.matching.engines.openmined.points import (
    ELEMENT_BYTES,
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
    return "openmined-psi"


def generate_key() -> bytes:
    """A fresh scalar s of P-256, 32 bytes."""
    key: bytes = psi.server.CreateWithNewKey(True).GetPrivateKeyBytes()
    return key


def derive_key(material: bytes) -> bytes:
    """The scalar from 48 uniform bytes (FIPS 186-5, A.2.1), as the library takes it: 32 bytes, big-endian."""
    return derive_scalar(material).to_bytes(32, "big")


def public_key(key: bytes) -> bytes:
    """P = s·G as a compressed point, 33 bytes."""
    return multiply_base_point(int.from_bytes(key, "big"))


def evaluate_register(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """The x-coordinate of H(x)^s for each identifier, uint8 [n, 32], in order.

    The library's server sorts its results. A client made from the server's key evaluates the same function and keeps
    the order.
    """
    points = psi.client.CreateFromKey(key, True).CreateRequest(list(identifiers)).encrypted_elements
    return np.ascontiguousarray(to_array(list(points))[:, 1:])


def evaluate_elements(key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """b^s for each blinded element b, uint8 [n, 33], in order; raises ``ValueError`` for an element off the curve.

    P-256 has prime order, so every point on the curve is in the group. The library refuses the point at infinity and
    points off the curve, so no evaluation shows anything of the key.
    """
    request = psi.Request(reveal_intersection=True, encrypted_elements=to_list(blinded))
    try:
        response = psi.server.CreateFromKey(key, True).ProcessRequest(request)
    except RuntimeError:
        raise ValueError("a blinded element is no point of the curve") from None
    return to_array(list(response.encrypted_elements))
