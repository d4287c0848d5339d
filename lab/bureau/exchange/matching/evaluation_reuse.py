"""What was evaluated already for the same contract and operation: two columns of identifiers, merged as they are read.

Both are sorted by identifier, so each is read once from the front, a window at a time; memory does not grow
with the register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.bureau.data.register import SnapshotReader
from lab.bureau.exchange.matching.row_selection import RowSelection

_WINDOW = 65_536


class EarlierEvaluations:
    """Values of the identifiers that another version, or other admitted rows, have, asked for in ascending order."""

    def __init__(
        self,
        snapshots: SnapshotReader,
        extent: RowSelection,
        values: NDArray[np.uint8],
        made: Callable[[int], bool] = lambda row: True,
    ) -> None:
        """``values``: the evaluated rows of ``extent``, uint8 [rows, 32], memory-mapped; ``made``: whether the value at
        a place is there, where the evaluation was interrupted."""
        self._snapshots, self._extent, self._values, self._made = snapshots, extent, values, made
        self._next = 0
        self._window: dict[str, int] = {}
        self._last = ""

    def find_evaluations(self, identifiers: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Positions in ``identifiers`` that are known, int64 [m], and their values, uint8 [m, 32].

        ``identifiers`` are sorted, and beyond those of the call before.
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
                if row is not None and self._made(row):
                    found.append((waiting, row))
                waiting += 1
        places = np.array(found, dtype=np.int64).reshape(-1, 2)
        return places[:, 0], self._values[places[:, 1]]

    def _read(self) -> bool:
        """The next window in place of this one; False at the end."""
        if self._next >= self._extent.count:
            return False
        codes = self._extent.identifiers(self._snapshots, self._next, _WINDOW)
        self._window = {code: self._next + place for place, code in enumerate(codes)}
        self._next += len(codes)
        self._last = codes[-1]
        return True
