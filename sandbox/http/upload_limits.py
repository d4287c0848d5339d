"""Bodies on their way in: received before anything is done with them, each bank within a share of the room.

What counts is what has come, not what was announced: a caller that announces much and sends nothing takes nothing. A
body lies in memory while it is small and then in a file without a name in the spool folder, which is gone when it is
closed, or when the process ends, however it ends. Used from one event loop.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from sandbox.http.limits import busy_problem

_IN_MEMORY = 256 * 1024
_STALE_SECONDS = 60.0


class UploadLimiter:
    """``room``: bytes of all bodies. ``share``: bytes of one bank's. ``count``: bodies of one bank at once."""

    def __init__(self, folder: Path | None, *, room: int, share: int, count: int, retry_after: int) -> None:
        self._folder, self.retry_after = folder, retry_after
        self.free, self.share, self._count = room, min(share, room), count
        self._bytes: Counter[str] = Counter()
        self._open: Counter[str] = Counter()
        if folder is not None:
            _remove_stale_files(folder)

    @asynccontextmanager
    async def open(self, who: str, announced: int = 0) -> AsyncIterator[Upload]:
        """Take in a body of ``who``; raises ``HttpProblem`` (429 beyond the share of ``who``, 503 where all is taken).

        ``announced`` bytes that would not fit now are refused at once, and are not kept free for their sender.
        """
        if self._open[who] >= self._count:
            raise self._beyond(f"{self._count} requests of this bank are being received already")
        self._check(who, announced)
        self._open[who] += 1
        upload = Upload(self, who)
        try:
            yield upload
        finally:
            self._open[who] -= 1
            self._bytes[who] -= upload.size
            self.free += upload.size
            for counter in (self._open, self._bytes):
                if not counter[who]:
                    del counter[who]
            upload.close()

    def reserve(self, who: str, more: int) -> None:
        """Count bytes that have come; raises ``HttpProblem`` as ``open`` does."""
        self._check(who, more)
        self._bytes[who] += more
        self.free -= more

    def new_file(self) -> tempfile.SpooledTemporaryFile[bytes]:
        """An empty body."""
        return tempfile.SpooledTemporaryFile(
            max_size=_IN_MEMORY, dir=None if self._folder is None else str(self._folder)
        )

    def _check(self, who: str, more: int) -> None:
        if self._bytes[who] + more > self.share:
            raise self._beyond(f"the bodies of this bank take {self.share} bytes at most at a time")
        if more > self.free:
            raise busy_problem(self.retry_after)

    def _beyond(self, why: str) -> Exception:
        return busy_problem(self.retry_after, f"The request was not received: {why}.", status=429)


class Upload:
    """A body as it comes."""

    def __init__(self, uploads: UploadLimiter, who: str) -> None:
        self._uploads, self._who = uploads, who
        self._file = uploads.new_file()
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Add what has come; raises ``HttpProblem`` where there is no room for it."""
        self._uploads.reserve(self._who, len(piece))
        self.size += len(piece)
        if self.size <= _IN_MEMORY:
            self._file.write(piece)
            return
        try:
            await run_in_threadpool(self._file.write, piece)
        except OSError:
            raise busy_problem(self._uploads.retry_after, "The disk has no room for the request.") from None

    def read(self) -> bytes:
        """All of it; blocks."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Let it go."""
        self._file.close()


def _remove_stale_files(folder: Path) -> None:
    """Where the file system knows no files without names, they have one for a moment, and a kill may leave it."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
