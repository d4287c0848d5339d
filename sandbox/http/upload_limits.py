"""Bodies that are being received: each is received whole before it is processed, and each bank has a share of the room.

Only received bytes count, not announced ones: a caller that announces much and sends nothing takes nothing. A small
body is kept in memory, a larger one in an unnamed file of the spool folder, which disappears when it is closed or when
the process ends. Used from one event loop.
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
        """Receive a body of ``who``; raises ``HttpProblem`` (429 beyond the share of ``who``, 503 if all is taken).

        ``announced`` bytes that do not fit now are refused at once; no room is reserved for them.
        """
        if self._open[who] >= self._count:
            raise self._share_problem(f"{self._count} requests of this bank are already being received")
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
        """Count received bytes; raises ``HttpProblem`` as ``open`` does."""
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
            raise self._share_problem(f"the bodies of one bank may take at most {self.share} bytes at a time")
        if more > self.free:
            raise busy_problem(self.retry_after)

    def _share_problem(self, why: str) -> Exception:
        return busy_problem(self.retry_after, f"The request was not received: {why}.", status=429)


class Upload:
    """A body that is being received."""

    def __init__(self, uploads: UploadLimiter, who: str) -> None:
        self._uploads, self._who = uploads, who
        self._file = uploads.new_file()
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Add received bytes; raises ``HttpProblem`` if there is no room."""
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
        """The whole body; blocks."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Remove the body."""
        self._file.close()


def _remove_stale_files(folder: Path) -> None:
    """On a file system without unnamed files they have a name for a moment, and a killed process may leave one."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
