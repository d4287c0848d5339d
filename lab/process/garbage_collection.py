"""When cycles are collected: seldom, since a command loads thousands of modules that stay, and then ends."""

from __future__ import annotations

import atexit
import gc

_YOUNG = 50_000
"""Objects made before the young ones are looked at. With Python's own 700, a start looks dozens of times through all
that was loaded, which is a third of what it takes; cycles of so few objects are no memory worth speaking of."""


def tune_garbage_collection() -> None:
    """Look for cycles seldom from now on, and not at all at this process's end, when all memory is given back."""
    gc.set_threshold(_YOUNG)
    atexit.register(gc.freeze)
