"""Compressed P-256 points on the wire, and work split over all cores.

The library releases the interpreter's lock while it computes, but one of its objects must not be shared by threads:
each thread makes its own from the same key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

WIDTH = 33
"""A compressed point: 0x02 or 0x03, then the x-coordinate (SEC 1, section 2.3.3)."""
_CHUNK = 512
_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def to_array(elements: Sequence[bytes]) -> NDArray[np.uint8]:
    """Compressed points as uint8 [n, 33]."""
    return np.frombuffer(b"".join(elements), dtype=np.uint8).reshape(len(elements), WIDTH)


def to_list(elements: NDArray[np.uint8]) -> list[bytes]:
    """uint8 [n, 33] as a list of 33 bytes each."""
    data = np.ascontiguousarray(elements).tobytes()
    return [data[start : start + WIDTH] for start in range(0, len(data), WIDTH)]


def check_form(elements: NDArray[np.uint8]) -> None:
    """Raise ``ValueError`` unless every element has the form of a compressed point; the library checks the curve."""
    if elements.ndim != 2 or elements.shape[1] != WIDTH or not np.isin(elements[:, 0], (2, 3)).all():
        raise ValueError("wanted compressed P-256 points; found an element of another form")


def on_all_cores(work: Callable[[Sequence[_Item]], _Done], items: Sequence[_Item]) -> list[_Done]:
    """``work`` over consecutive chunks of ``items``, one thread a core; results in order."""
    cores = os.cpu_count() or 1
    size = max(_CHUNK, -(-len(items) // (4 * cores)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, chunks))
