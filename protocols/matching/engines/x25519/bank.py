"""The bank's half of the x25519 engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.x25519 import elements, encoding, path, scalars
from protocols.matching.engines.x25519.encoding import WIDTH

__all__ = ["WIDTH", "blind", "check_elements", "keys_of", "unblind"]


def keys_of(seed: bytes) -> tuple[bytes, bytes]:
    """The scalars that blind and unblind, made from ``seed``: 32 uniform bytes."""
    return scalars.pair(seed)


def blind(key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
    """c·H(x) for each identifier, uint8 [n, 32]."""
    return path.chosen().multiply(key, encoding.encode(identifiers))


def check_elements(evaluated: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless the evaluated elements are canonical and all different."""
    elements.check_form(evaluated)


def unblind(key: bytes, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """F(x) = s·H(x), uint8 [n, 32], from the evaluated elements; raises ``ValueError`` for what is none.

    An element of the twist from the bureau is refused too: it would tell nothing of an identifier, but it is no answer.
    """
    elements.check_on_curve(evaluated)
    return path.chosen().multiply(key, evaluated)
