"""Places for heavy work: so many at once, and whoever comes beyond that is told when to come back.

A place is kept until its work has really ended, even when the request that began it was given up: native code in a
thread cannot be stopped from outside, and its memory is in use until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from sandbox.problems import Problem

P = ParamSpec("P")
T = TypeVar("T")


def busy(retry_after: int) -> Problem:
    """That there is no room now, and when to come back."""
    return Problem(
        "busy",
        "Every place for heavy work is taken; the request was not begun.",
        next_step=f"send it again in {retry_after} seconds",
        headers={"Retry-After": str(retry_after), "Connection": "close"},
    )


class Place:
    """One place; ``run`` does blocking work in a thread of its own."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self.work: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``work(*args)``; cancelling the request leaves the work to its end."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))
        self.work = future
        return await asyncio.shield(future)


class Budget:
    """An amount that is shared out (bytes, connections) and never exceeded; used from one event loop."""

    def __init__(self, amount: int, *, retry_after: int) -> None:
        self.amount = self.free = amount
        self._retry_after = retry_after

    @asynccontextmanager
    async def take(self, share: int) -> AsyncIterator[None]:
        """A share for the time of the block; raises ``Problem`` (503 with Retry-After) when it is not there.

        A share larger than all there is gets all, so that it comes to its turn.
        """
        share = min(share, self.amount)
        if share > self.free:
            raise busy(self._retry_after)
        self.free -= share
        try:
            yield
        finally:
            self.free += share


class Places:
    """``count`` places; used from one event loop."""

    def __init__(self, count: int, *, retry_after: int) -> None:
        self._free = count
        self._retry_after = retry_after
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="heavy")

    @property
    def free(self) -> int:
        return self._free

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Place]:
        """A place for the time of the block; raises ``Problem`` (503 with Retry-After) when none is free."""
        if self._free == 0:
            raise busy(self._retry_after)
        self._free -= 1
        place = Place(self._executor)
        try:
            yield place
        finally:
            if place.work is None or place.work.done():
                self._free += 1
            else:
                place.work.add_done_callback(self._give_back)

    def _give_back(self, work: asyncio.Future[Any]) -> None:
        self._free += 1
        if not work.cancelled():
            work.exception()  # looked at, so that nobody logs its text as "never retrieved"

    def close(self) -> None:
        """Let no more work begin; what runs ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)
