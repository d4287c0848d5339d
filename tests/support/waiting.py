"""Waiting for a state, where a fixed time would be too short on a busy machine and too long on every other."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds after which a state that has not come is a failure."""


def wait_until(is_reached: Callable[[], object], *, seconds: float = PATIENCE) -> None:
    """Return as soon as the state is reached; raises ``AssertionError`` if it is not within ``seconds``."""
    end = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < end, f"what was waited for did not come within {seconds:g} seconds"
        time.sleep(0.01)
