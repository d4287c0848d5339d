"""Places for heavy work: so many at once, and whoever comes beyond that is told when to come back.

A place is kept until its work has really ended, even when the request that began it was given up: native code in a
thread cannot be stopped from outside, and its memory is in use until then.
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
    detail: str = "Every place for heavy work is taken; the request was not begun.",
    *,
    status: int | None = None,
) -> HttpProblem:
    """That there is no room now, and when to come back; ``status`` 429 where others still have room."""
    return HttpProblem(
        "busy",
        detail,
        next_step=f"send it again in {retry_after} seconds",
        headers={"Retry-After": str(retry_after), "Connection": "close"},
        status=status,
    )


class WorkSlot:
    """One place; ``run`` does blocking work in a thread of its own."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self.work: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``work(*args)``; cancelling the request leaves the work to its end."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))
        self.work = future
        return await asyncio.shield(future)


class CapacityLimit:
    """An amount that is shared out (bytes, connections) and never exceeded; used from one event loop."""

    def __init__(self, amount: int, *, retry_after: int) -> None:
        self.amount = self.free = amount
        self._retry_after = retry_after

    @asynccontextmanager
    async def acquire(self, share: int) -> AsyncIterator[None]:
        """A share for the time of the block; raises ``HttpProblem`` (503 with Retry-After) when it is not there.

        A share larger than all there is gets all, so that it comes to its turn.
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
    """How many requests of one caller may wait at once, each looking again and again; used from one event loop."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._held: Counter[str] = Counter()

    @contextmanager
    def try_acquire(self, who: str) -> Iterator[bool]:
        """Whether this request may wait, for the time of the block."""
        if self._held[who] >= self._share:
            yield False
            return
        self._held[who] += 1
        try:
            yield True
        finally:
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]


class ConcurrencyLimit:
    """``count`` places, of which one caller has ``share`` at most; used from one event loop.

    ``patience``: seconds that someone waits for a place whose body has been received.
    """

    def __init__(self, count: int, *, retry_after: int, share: int | None = None, patience: float = 0.0) -> None:
        self._free = count
        self._share = share or count
        self._retry_after, self._patience = retry_after, patience
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="heavy")

    @property
    def free_slots(self) -> int:
        """How many places are free now."""
        return self._free

    def check(self, who: str) -> None:
        """Raise ``HttpProblem`` if ``who`` would get no place now (503, or 429 at its own share), with Retry-After."""
        if self._free == 0:
            raise busy_problem(self._retry_after)
        if who and self._held[who] >= self._share:
            raise self._beyond()

    @asynccontextmanager
    async def acquire(self, who: str = "", *, wait: bool = False) -> AsyncIterator[WorkSlot]:
        """A place for the time of the block; raises what ``check`` raises.

        ``wait``: for who has been received already, and comes to its turn; callers take turns. Who has no name has no
        share.
        """
        if wait and not self._may(who):
            await self._turn(who)
        else:
            self.check(who)
            self._take_slot(who)
        place = WorkSlot(self._executor)
        try:
            yield place
        finally:
            if place.work is None or place.work.done():
                self._release_slot(who)
            else:
                place.work.add_done_callback(lambda work: self._on_work_done(work, who))

    def close(self) -> None:
        """Let no more work begin; what runs ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _may(self, who: str) -> bool:
        return self._free > 0 and (not who or self._held[who] < self._share)

    def _take_slot(self, who: str) -> None:
        self._free -= 1
        self._held[who] += 1

    def _release_slot(self, who: str) -> None:
        self._free += 1
        self._held[who] -= 1
        if not self._held[who]:
            del self._held[who]
        self._grant_to_waiters()

    def _on_work_done(self, work: asyncio.Future[Any], who: str) -> None:
        self._release_slot(who)
        if not work.cancelled():
            work.exception()  # looked at, so that nobody logs its text as "never retrieved"

    async def _turn(self, who: str) -> None:
        """Wait for a place, which is taken when this returns."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._release_slot(who)
            if isinstance(error, TimeoutError):
                raise (busy_problem(self._retry_after) if self._free == 0 else self._beyond()) from None
            raise

    def _grant_to_waiters(self) -> None:
        """Give free places to those who wait, one a caller in turn."""
        for who in list(self._waiting):
            turns = self._waiting.pop(who)
            while turns and turns[0].done():  # given up
                turns.popleft()
            if turns and self._may(who):
                self._take_slot(who)
                turns.popleft().set_result(None)
            if turns:
                self._waiting[who] = turns  # behind the others

    def _beyond(self) -> HttpProblem:
        detail = f"This bank has the {self._share} places for heavy work that one may have; the request was not begun."
        return busy_problem(self._retry_after, detail, status=429)
