"""How long work tells how far it is, without knowing who watches.

Rooms that do long work take a ``Progress`` and report stages; the command line draws bars from it, tests pass
``SILENT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class ProgressStage(Protocol):
    """One stage under way; ``advance`` reports work units done since the last call."""

    def advance(self, units: int = 1) -> None:
        """Report that ``units`` more are done."""


class Progress(Protocol):
    """Someone who watches. ``stage(name, total)`` is a context manager around one stage of ``total`` units.

    Stage names are words of the job, not of the program: ``match``, ``encrypt``, ``score``, ``decrypt``, ``portrait``,
    ``import``, ``train``. The command line has bilingual labels for them.
    """

    def stage(self, name: str, total: int) -> AbstractContextManager[ProgressStage]:
        """Begin a stage of ``total`` units, which ends with the block."""


class _SilentProgressStage:
    def advance(self, units: int = 1) -> None:
        return None


class _SilentProgress:
    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        yield _SilentProgressStage()


SILENT: Progress = _SilentProgress()
