"""The processor time of an engine's arithmetic, apart from that of everything beside it.

Arithmetic is what an engine computes: hashing to its group, multiplying, and checking that elements are of the group.
Each call is timed in the process that makes it, so what starting processes and moving rows costs is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def timed(work: Callable[..., Result], *arguments: Any) -> tuple[Result, float]:
    """``work(*arguments)``, and the processor seconds that it took in this thread.

    A pool maps ``partial(timed, work)``.
    """
    begun = time.thread_time()
    result = work(*arguments)
    return result, time.thread_time() - begun
