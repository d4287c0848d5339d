"""Compressed P-256 points on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from protocols.matching.engines.distinct import check_distinct

GROUP_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order n of the P-256 group (FIPS 186-5 / SP 800-186, section 3.2.1.3)."""
SCALAR_MATERIAL_BYTES = 48
ELEMENT_BYTES = 33
"""A compressed point: 0x02 or 0x03, then the x-coordinate (SEC 1, section 2.3.3)."""


def derive_scalar(material: bytes) -> int:
    """The scalar in [1, n) from 48 uniform bytes: (c mod (n - 1)) + 1 (FIPS 186-5, A.2.1); the bias is below 2^-127."""
    if len(material) != SCALAR_MATERIAL_BYTES:
        raise ValueError(f"a scalar is made from {SCALAR_MATERIAL_BYTES} bytes; found {len(material)}")
    return int.from_bytes(material, "big") % (GROUP_ORDER - 1) + 1


def multiply_base_point(scalar: int) -> bytes:
    """scalar·G as a compressed point, 33 bytes."""
    public = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def to_array(elements: Sequence[bytes]) -> NDArray[np.uint8]:
    """Compressed points as uint8 [n, 33]."""
    return np.frombuffer(b"".join(elements), dtype=np.uint8).reshape(len(elements), ELEMENT_BYTES)


def to_list(elements: NDArray[np.uint8]) -> list[bytes]:
    """The rows of uint8 [n, 33] as a list of 33 bytes each."""
    data = np.ascontiguousarray(elements).tobytes()
    return [data[start : start + ELEMENT_BYTES] for start in range(0, len(data), ELEMENT_BYTES)]


def check_elements(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless every element has the form of a compressed point and none is repeated.

    A point and its negative count as a repetition, because they give the same evaluation.
    """
    if elements.ndim != 2 or elements.shape[1] != ELEMENT_BYTES or not np.isin(elements[:, 0], (2, 3)).all():
        raise ValueError("wanted compressed P-256 points; found an element of another form")
    check_distinct(elements[:, 1:])
