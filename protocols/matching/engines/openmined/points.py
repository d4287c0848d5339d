"""Compressed P-256 points on the wire."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.matching.engines.repeats import check_once

WIDTH = 33
"""A compressed point: 0x02 or 0x03, then the x-coordinate (SEC 1, section 2.3.3)."""


def to_array(elements: Sequence[bytes]) -> NDArray[np.uint8]:
    """Compressed points as uint8 [n, 33]."""
    return np.frombuffer(b"".join(elements), dtype=np.uint8).reshape(len(elements), WIDTH)


def to_list(elements: NDArray[np.uint8]) -> list[bytes]:
    """uint8 [n, 33] as a list of 33 bytes each."""
    data = np.ascontiguousarray(elements).tobytes()
    return [data[start : start + WIDTH] for start in range(0, len(data), WIDTH)]


def check_elements(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless every element has the form of a compressed point and stands once.

    Two forms of one x-coordinate count as one: a point and its negative lead to the same value.
    """
    if elements.ndim != 2 or elements.shape[1] != WIDTH or not np.isin(elements[:, 0], (2, 3)).all():
        raise ValueError("wanted compressed P-256 points; found an element of another form")
    check_once(elements[:, 1:])
