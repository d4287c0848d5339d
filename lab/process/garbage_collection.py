"""Garbage collection of commands: rare, because a command loads thousands of modules that stay until it ends."""

from __future__ import annotations

import atexit
import gc

_YOUNG = 50_000
"""New objects before a collection of the youngest generation. With Python's default of 700, dozens of collections run
while modules load and take a third of a command's start; cycles among 50,000 objects waste little memory."""


def tune_garbage_collection() -> None:
    """Collect rarely from now on, and not at all when the process ends and returns all its memory."""
    gc.set_threshold(_YOUNG)
    atexit.register(gc.freeze)
