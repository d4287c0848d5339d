"""Whether the bureau can work: it writes a file and a row, and reads both back.

A disk that is full, read-only or gone still answers ``SELECT 1``. The check takes two writes to the disk, so that its
outcome is kept for some seconds; whoever asks more often gets the same answer.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lab.bureau.store.engine import Database
from lab.bureau.store.tables import WriteCheckRow
from lab.disk.free_space import check_writing, find_no_room
from lab.terms.errors import ShulabError, Unreachable

_KEPT_SECONDS = 5.0
_ROW = 1


class WriteCheck:
    """The check of one bureau. Safe to use from several threads: they wait for one check."""

    def __init__(self, store: Database, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._folder, self._clock = store, folder, clock
        self._lock = threading.Lock()
        self._checked = float("-inf")
        self._failure: ShulabError | None = None

    def run(self) -> None:
        """Raise ``NoRoom`` or ``Unreachable``, with its cause, unless a file and a row were written a moment ago."""
        with self._lock:
            if self._clock() - self._checked >= _KEPT_SECONDS:
                self._failure = self._find_failure()
                self._checked = self._clock()
            if self._failure is not None:
                raise type(self._failure)(
                    self._failure.detail, next_step=self._failure.next_step
                ) from self._failure.__cause__

    def _find_failure(self) -> ShulabError | None:
        try:
            check_writing(self._folder)
            self._write_row()
        except ShulabError as error:
            return error
        except OSError as error:
            failure = find_no_room(error) or Unreachable(
                "The bureau's folder cannot be written.", next_step="its operator looks at the disk"
            )
            failure.__cause__ = error
            return failure
        return None

    def _write_row(self) -> None:
        token = secrets.token_hex(16)
        with self._store.begin() as session:
            session.merge(WriteCheckRow(id=_ROW, token=token, at=datetime.now(UTC)))
        with self._store.begin_read() as session:
            row = session.get(WriteCheckRow, _ROW)
            if row is None:
                raise Unreachable("The bureau's database does not keep what is written.", next_step="look at it")
