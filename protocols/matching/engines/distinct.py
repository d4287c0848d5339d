"""The rule that both engines share: no element is repeated within a message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def check_distinct(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` if two rows of ``elements``, uint8 [n, 32], are equal."""
    words = np.ascontiguousarray(elements).view("<u8")
    ordered = words[np.lexsort(words.T)]
    if (ordered[1:] == ordered[:-1]).all(axis=1).any():
        raise ValueError("wanted each element once; at least one is repeated")
