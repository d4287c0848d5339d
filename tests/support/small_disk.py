"""A real disk of a few megabytes, in memory, that a test fills as far as it likes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted disk; ``leave`` fills it up to some bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def leave(self, free: int) -> None:
        """Leave so many bytes free, in whole pages."""
        self._filler.unlink(missing_ok=True)
        found = os.statvfs(self.folder)
        size = found.f_bavail * found.f_frsize - free
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))


@contextmanager
def mount_small_disk(folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
    """A disk mounted on ``folder``; skips the test where this user may not mount one."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a disk of a few megabytes cannot be mounted by this user: run as root to test full disks")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
