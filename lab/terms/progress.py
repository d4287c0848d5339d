"""Progress of long work, reported without knowing who shows it.

Functions that work for long take a ``Progress`` and report stages. The command line draws bars; tests pass ``SILENT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class ProgressStage(Protocol):
    """A stage in progress; ``advance`` reports the units done since the last call."""

    def advance(self, units: int = 1) -> None:
        """Report that ``units`` more are done."""


class Progress(Protocol):
    """A receiver of progress. ``stage(name, total)`` is a context manager around one stage of ``total`` units.

    Stage names are words of the job, not of the program: ``match``, ``encrypt``, ``score``, ``decrypt``, ``portrait``,
    ``import``, ``train``. The command line has labels for them in both languages.
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
