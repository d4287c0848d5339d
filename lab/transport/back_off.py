"""How long to wait before a request is sent again: longer each time, at random moments, and not forever."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds: the first wait, the longest, and the deadline for all of it. Each wait is ``factor`` times the last.

    ``jitter``: the share by which a wait is longer or shorter at random, so that clients do not return together.
    """

    first_wait: float = 0.25
    factor: float = 2.0
    longest_wait: float = 15.0
    jitter: float = 0.25
    deadline: float = math.inf

    def start(self) -> BackOffTimer:
        """A timer whose deadline runs from now."""
        return BackOffTimer(self)


class BackOffTimer:
    """The waits of one request, in order."""

    def __init__(self, back_off: BackOff) -> None:
        self._back_off, self._wait = back_off, back_off.first_wait
        self._until = time.monotonic() + back_off.deadline

    @property
    def is_expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self._until

    def next_wait(self, at_least: float = 0.0) -> float:
        """The next wait in seconds; ``at_least`` is what the other side asked for. It never passes the longest wait by
        more than the jitter, nor the deadline."""
        rules = self._back_off
        wait = min(max(self._wait, at_least), rules.longest_wait) * (1 + rules.jitter * (2 * random.random() - 1))
        self._wait = min(self._wait * rules.factor, rules.longest_wait)
        return max(min(wait, self._until - time.monotonic()), 0.0)

    def sleep(self, at_least: float = 0.0) -> None:
        """Wait for ``next_wait``."""
        time.sleep(self.next_wait(at_least))
