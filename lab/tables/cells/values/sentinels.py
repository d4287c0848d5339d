"""Numbers and days by which people write that there is no value, such as -999 and 9999-12-31.

One is taken for "no value" only if it is far from all other values of its column, and frequent or unmistakable.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Final

_NINES: Final = tuple(float("9" * digits) for digits in range(3, 13))
_REPEATED: Final = tuple(float(digit * count) for digit in "12345678" for count in (3, 4, 5))
SENTINELS: Final[tuple[float, ...]] = (
    *(-1.0, -7.0, -8.0, -9.0, -77.0, -88.0, -97.0, -98.0, -99.0, -996.0, -997.0, -998.0, -9996.0, -9997.0, -9998.0),
    *(-value for value in (*_NINES, *_REPEATED)),
    *_NINES,
    *(value + 0.99 for value in _NINES if value < 1e9),
)
_EPOCH: Final = datetime.date(1970, 1, 1)
SENTINEL_DAYS: Final[tuple[float, ...]] = tuple(
    float((datetime.date(*day) - _EPOCH).days)
    for day in (
        *((9999, 12, 31), (9999, 12, 30), (9999, 1, 1), (9999, 9, 9), (2999, 12, 31), (3000, 1, 1), (3000, 12, 31)),
        *((2099, 12, 31), (2100, 1, 1), (2199, 12, 31), (2200, 1, 1), (1900, 1, 1), (1899, 12, 30), (1899, 12, 31)),
        *((1, 1, 1), (1753, 1, 1), (1800, 1, 1), (1970, 1, 1)),
    )
)
"""Days since 1970-01-01: the ends of calendars, and the first days of databases and spreadsheets."""

_SHARE, _CELLS, _GAP = 0.005, 3, 0.25
_SMALL: Final = 90.0
_LEAST_RANGE: Final = 10.0
_LEAST_NINES, _TIMES_HIGHEST = 9_999.0, 10.0
_GAP_DAYS: Final = 3_652
"""Ten years."""


def find_sentinels(
    counts: Mapping[float, int], lowest: float, highest: float, numbers: int
) -> tuple[tuple[float, ...], int]:
    """The sentinels of a column of numbers, ascending, and how many cells look like others but are too few.

    Those that nobody could take for a value of this column are among them even if it has none: later data may.
    ``counts``: cells of each number in ``SENTINELS``; ``lowest``, ``highest``: of all other numbers; ``numbers``:
    all cells.
    """
    if lowest > highest:  # nothing else
        return (tuple(sorted(value for value in counts if value < -_SMALL)), 0) if counts else ((), 0)
    least = max(_CELLS, _SHARE * numbers)
    far = [value for value in SENTINELS if _is_far(value, lowest, highest)]
    found = {value for value in far if _is_unmistakable(value, lowest, highest)}
    few = 0
    for group in ([value for value in far if value < lowest], [value for value in far if value > highest]):
        cells = sum(counts.get(value, 0) for value in group)
        if cells >= least:
            found |= {value for value in group if counts.get(value)}
        else:
            few += sum(counts.get(value, 0) for value in group if value not in found)
    return tuple(sorted(found)), few


def find_sentinel_days(first: float, last: float) -> tuple[float, ...]:
    """The sentinels of a column of dates, ascending; ``first``, ``last``: of all other dates, days since 1970-01-01."""
    if first > last:
        return ()
    return tuple(sorted(day for day in SENTINEL_DAYS if day < first - _GAP_DAYS or day > last + _GAP_DAYS))


def _is_far(value: float, lowest: float, highest: float) -> bool:
    """Whether a number is far from its column's others; a small one only if those are counts, without a sign."""
    if lowest <= value <= highest or (abs(value) < _SMALL and (lowest < 0 or highest < _LEAST_RANGE)):
        return False
    return abs(value - (lowest if value < lowest else highest)) >= _GAP * abs(value)


def _is_unmistakable(value: float, lowest: float, highest: float) -> bool:
    """Whether a far number is below zero where no other is, or nines far above all others."""
    return (value < -_SMALL and lowest >= 0) or (value >= _LEAST_NINES and value >= _TIMES_HIGHEST * highest)
