"""Limits of what runs at once. When a limit is reached, the service answers 503 or 429 with ``Retry-After``.

A slot for heavy work stays taken until the work has ended, even if the request was cancelled: native code in a thread
cannot be stopped from outside, and it uses its memory until it ends.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ParamSpec, TypeVar

from sandbox.http.problems import HttpProblem

P = ParamSpec("P")
T = TypeVar("T")


def busy_problem(
    retry_after: int,
    detail: str = "All slots for heavy work are taken; the request was not started.",
    *,
    status: int | None = None,
) -> HttpProblem:
    """The problem of a full limit, with Retry-After in seconds; ``status`` 429 if other callers still have room."""
    return HttpProblem(
        "busy",
        detail,
        next_step=f"send it again in {retry_after} seconds",
        headers={"Retry-After": str(retry_after), "Connection": "close"},
        status=status,
    )


class WorkSlot:
    """One slot; ``run`` does blocking work in a thread."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self.work: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``work(*args)``; if the request is cancelled, the work still runs to its end."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))
        self.work = future
        return await asyncio.shield(future)


class CapacityLimit:
    """A shared amount (bytes, connections) that is never exceeded; used from one event loop."""

    def __init__(self, amount: int, *, retry_after: int) -> None:
        self.amount = self.free = amount
        self._retry_after = retry_after

    @asynccontextmanager
    async def acquire(self, share: int) -> AsyncIterator[None]:
        """A share for the time of the block; raises ``HttpProblem`` (503 with Retry-After) if it is not free.

        A share larger than the whole amount is cut to it, so that it can be granted at all.
        """
        share = min(share, self.amount)
        if share > self.free:
            raise busy_problem(self._retry_after)
        self.free -= share
        try:
            yield
        finally:
            self.free += share


class WaitLimit:
    """How many requests of one caller may wait at once, each polling; used from one event loop."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._in_use: Counter[str] = Counter()

    @contextmanager
    def try_acquire(self, who: str) -> Iterator[bool]:
        """Whether this request may wait, for the time of the block."""
        if self._in_use[who] >= self._share:
            yield False
            return
        self._in_use[who] += 1
        try:
            yield True
        finally:
            self._in_use[who] -= 1
            if not self._in_use[who]:
                del self._in_use[who]


class ConcurrencyLimit:
    """``count`` slots, of which one caller has at most ``share``; used from one event loop.

    ``patience``: seconds that a received request waits for a slot.
    """

    def __init__(self, count: int, *, retry_after: int, share: int | None = None, patience: float = 0.0) -> None:
        self._free = count
        self._share = share or count
        self._retry_after, self._patience = retry_after, patience
        self._in_use: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="heavy")

    @property
    def free_slots(self) -> int:
        """How many slots are free now."""
        return self._free

    def check(self, who: str) -> None:
        """Raise ``HttpProblem`` with Retry-After if ``who`` would get no slot now: 503, or 429 at its own share."""
        if self._free == 0:
            raise busy_problem(self._retry_after)
        if who and self._in_use[who] >= self._share:
            raise self._share_problem()

    @asynccontextmanager
    async def acquire(self, who: str = "", *, wait: bool = False) -> AsyncIterator[WorkSlot]:
        """A slot for the time of the block; raises as ``check`` does.

        ``wait``: wait for a slot, for a request that has been received; callers take turns. An empty ``who`` has no
        share of its own.
        """
        if wait and not self._has_slot(who):
            await self._wait_turn(who)
        else:
            self.check(who)
            self._take_slot(who)
        slot = WorkSlot(self._executor)
        try:
            yield slot
        finally:
            if slot.work is None or slot.work.done():
                self._release_slot(who)
            else:
                slot.work.add_done_callback(lambda work: self._on_work_done(work, who))

    def close(self) -> None:
        """Start no more work; running work ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _has_slot(self, who: str) -> bool:
        return self._free > 0 and (not who or self._in_use[who] < self._share)

    def _take_slot(self, who: str) -> None:
        self._free -= 1
        self._in_use[who] += 1

    def _release_slot(self, who: str) -> None:
        self._free += 1
        self._in_use[who] -= 1
        if not self._in_use[who]:
            del self._in_use[who]
        self._grant_to_waiters()

    def _on_work_done(self, work: asyncio.Future[Any], who: str) -> None:
        self._release_slot(who)
        if not work.cancelled():
            work.exception()  # retrieved, so that asyncio does not log its text as "never retrieved"

    async def _wait_turn(self, who: str) -> None:
        """Wait for a slot, and take it."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._release_slot(who)
            if isinstance(error, TimeoutError):
                raise (busy_problem(self._retry_after) if self._free == 0 else self._share_problem()) from None
            raise

    def _grant_to_waiters(self) -> None:
        """Give free slots to waiting callers, one each in turn."""
        for who in list(self._waiting):
            turns = self._waiting.pop(who)
            while turns and turns[0].done():  # cancelled
                turns.popleft()
            if turns and self._has_slot(who):
                self._take_slot(who)
                turns.popleft().set_result(None)
            if turns:
                self._waiting[who] = turns  # to the end of the queue

    def _share_problem(self) -> HttpProblem:
        detail = f"This bank already uses the {self._share} slots that one bank may have; the request was not started."
        return busy_problem(self._retry_after, detail, status=429)
