"""The rules by which received elements are refused. Each rule is cheap and comes before the key is used.

* **Form**: 32 bytes each (cut by the frame's width).
* **Canonical**: a u-coordinate below 2^255 - 19. X25519 would accept the others too (RFC 7748, section 5), and two
  encodings of one element could then pass the rule on repetitions.
* **Repetitions**: within a request no element is repeated. A bank blinds different identifiers under one scalar, so two
  are never equal; a request that repeats one is not a match.
* **On the curve**: X25519 is defined for every u, but about half of them belong to the twist. Its order is 4 times a
  prime and clamped scalars are multiples of 8, so it shows nothing small of the key. But the bureau would serve two
  groups under one key, and the security argument is for one. Legendre's symbol of u³ + 486662·u² + u decides.
* **Small order**: an element of order 1, 2, 4 or 8 gives zero under every clamped scalar (RFC 7748, section 6.1). A
  zero result is refused, by the bank as well.
"""

from __future__ import annotations

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from protocols.matching.engines.distinct import check_distinct
from protocols.matching.engines.x25519.hash_to_curve import is_on_curve
from protocols.matching.engines.x25519.scalars import ELEMENT_BYTES

_TOP = np.uint64(2**63 - 1)
_FULL = np.uint64(2**64 - 1)
_LOWEST = np.uint64(2**64 - 19)  # the low word of 2^255 - 19


def check_canonical(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless every element is canonical and none is repeated; no arithmetic on the curve."""
    if elements.ndim != 2 or elements.shape[1] != ELEMENT_BYTES:
        raise ValueError(f"wanted elements of {ELEMENT_BYTES} bytes; found others")
    words = np.ascontiguousarray(elements).view("<u8")
    beyond = (words[:, 3] == _TOP) & (words[:, 2] == _FULL) & (words[:, 1] == _FULL) & (words[:, 0] >= _LOWEST)
    if ((words[:, 3] > _TOP) | beyond).any():
        raise ValueError("wanted canonical u-coordinates; at least one is not below 2^255 - 19")
    check_distinct(elements)


def check_on_curve(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless every element is the u-coordinate of a point of the curve itself."""
    data = np.ascontiguousarray(elements).tobytes()
    for start in range(0, len(data), ELEMENT_BYTES):
        if not is_on_curve(mpz.from_bytes(data[start : start + ELEMENT_BYTES], "little")):
            raise ValueError("wanted points of the curve; at least one is on its twist")
