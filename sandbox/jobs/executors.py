"""Which processes of the bureau run workflows: each holds a lock on its own file.

A lock needs no clock and no heartbeat: the kernel releases it when the process ends, and not before, so nobody takes
over the work of a process that is only slow. All processes of a bureau share its folder; the folder's file system must
support ``flock``.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from lab.disk.locks import HeldLock, is_locked


class ExecutorRegistration:
    """This process's unique name among the executors, held until ``release`` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = uuid.uuid4().hex
        draft = folder / f".{self.id}"
        self._lock = HeldLock(draft)
        draft.rename(folder / self.id)  # visible under its name only once it is locked

    def is_alive(self, other: str) -> bool:
        """Whether the process with this name still runs."""
        return is_locked(self._folder / Path(other).name)

    def remove_dead(self) -> None:
        """Remove the files that dead processes left."""
        for path in self._folder.glob("[0-9a-f]*"):
            if not self.is_alive(path.name):
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Give up the name."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / self.id).unlink()
        self._lock.release()
