"""X25519 (RFC 7748) for many elements or many scalars, by OpenSSL through the ``cryptography`` package."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from numpy.typing import NDArray

from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES


def multiply(scalar: bytes, elements: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """X25519(scalar, u) for each row u, uint8 [n, 32]; raises ``ValueError`` where a result is zero (small order)."""
    exchange, read = X25519PrivateKey.from_private_bytes(scalar).exchange, X25519PublicKey.from_public_bytes
    data = np.ascontiguousarray(elements).tobytes()
    try:
        products = b"".join(
            exchange(read(data[start : start + ELEMENT_BYTES])) for start in range(0, len(data), ELEMENT_BYTES)
        )
    except ValueError:
        raise ValueError("wanted elements of the prime-order group; at least one is of small order") from None
    return np.frombuffer(products, dtype=np.uint8).reshape(len(elements), ELEMENT_BYTES)


def multiply_each(scalars: NDArray[np.uint8], element: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """X25519(k, u) for each row k of ``scalars``, uint8 [n, 32], and one element u; raises as ``multiply``."""
    rows = [multiply(scalar.tobytes(), element.reshape(1, ELEMENT_BYTES)) for scalar in scalars]
    return np.concatenate([scalars[:0], *rows])
