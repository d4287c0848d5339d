"""Reusing earlier evaluations for the same contract and operation: two sorted columns of identifiers, merged while
read.

Both are sorted by identifier, so that each is read once from the front, a window at a time; memory use does not grow
with the register.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lab.bureau.data.register import SnapshotReader
from lab.bureau.exchange.matching.row_selection import RowSelection

_WINDOW = 65_536


class EvaluationSource(Protocol):
    """Evaluations by row (``evaluation_file.Evaluations``)."""

    def find(self, rows: NDArray[np.int64], /) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Which of ``rows`` are evaluated, bool [n], and the evaluations of those, uint8 [m, 32]."""


class EarlierEvaluations:
    """Evaluations of another version or selection of rows, looked up in ascending order of identifiers."""

    def __init__(
        self,
        snapshots: SnapshotReader,
        selection: RowSelection,
        values: EvaluationSource,
    ) -> None:
        """``values``: the evaluations of ``selection``; a damaged one is as one that was never made."""
        self._snapshots, self._extent, self._values = snapshots, selection, values
        self._next = 0
        self._window: dict[str, int] = {}
        self._last = ""

    def find_evaluations(self, identifiers: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The positions in ``identifiers`` that are known, int64 [m], and their evaluations, uint8 [m, 32].

        ``identifiers`` are sorted, and greater than those of the previous call.
        """
        found: list[tuple[int, int]] = []
        waiting = 0
        while waiting < len(identifiers):
            if not self._window or self._last < identifiers[waiting]:
                if not self._read():
                    break
                continue
            while waiting < len(identifiers) and identifiers[waiting] <= self._last:
                row = self._window.get(identifiers[waiting])
                if row is not None:
                    found.append((waiting, row))
                waiting += 1
        places = np.array(found, dtype=np.int64).reshape(-1, 2)
        known, values = self._values.find(places[:, 1])
        return places[known, 0], values

    def _read(self) -> bool:
        """Read the next window; False at the end."""
        if self._next >= self._extent.count:
            return False
        codes = self._extent.identifiers(self._snapshots, self._next, _WINDOW)
        self._window = {code: self._next + place for place, code in enumerate(codes)}
        self._next += len(codes)
        self._last = codes[-1]
        return True
