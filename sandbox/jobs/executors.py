"""Which processes of the bureau run workflows now: each holds a lock on a file of its own, which dies with it.

A lock needs no clock and no beat: the kernel gives it up when the process is killed, and not before, so nobody takes
over the work of a process that is merely slow. All processes of a bureau share its folder, where batches and replies
lie as well; the folder's file system has to know ``flock``.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from lab.disk.locks import exclusive_lock, is_locked


class ExecutorRegistration:
    """This process's name among the executors, held until ``close`` or death; no name is given twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = uuid.uuid4().hex
        draft = folder / f".{self.id}"
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(exclusive_lock(draft))
        draft.rename(folder / self.id)  # seen under its name only when it is locked

    def is_alive(self, other: str) -> bool:
        """Whether the process of this name still runs."""
        return is_locked(self._folder / Path(other).name)

    def remove_dead(self) -> None:
        """Remove the files that dead processes left."""
        for path in self._folder.glob("[0-9a-f]*"):
            if not self.is_alive(path.name):
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Leave."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / self.id).unlink()
        self._lock.close()
