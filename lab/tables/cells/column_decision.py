"""Decides kind and conventions of a column from the counts of its cells."""

from __future__ import annotations

from typing import Final

from lab.tables.cells.column_counts import ColumnCounts
from lab.tables.cells.reading import ColumnKind
from lab.tables.cells.values.booleans import CLEAR_ALONE
from lab.tables.cells.values.numbers import SURE_COMMAS, SURE_POINTS, UNSURE_MARKS

NEARLY_ALL: Final = 0.95
"""The share of cells that decides a kind."""
MOSTLY: Final = 0.8
"""The share of numbers or dates from which a column of more than ``TOLD_APART`` levels is still one of them."""
TOLD_APART: Final = 64
MIXED: Final = 0.1
"""The share of numbers and dates from which a column of text with more levels is mixed."""
_SURELY_BOOLEAN: Final = 0.995
_LEADING_ZEROS: Final = 0.01
_ENOUGH: Final = 20
"""Cells that show that six digits are months: a few amounts may look like months by chance."""
_TRUE_DATES: Final = 0.2
"""The share of dates beside which numbers are days of a spreadsheet."""
_BEYOND_ONE: Final = 0.05


def decide_kind(tally: ColumnCounts) -> tuple[ColumnKind, bool]:
    """The kind, and whether it is undecided; a column without a value is numeric."""
    present = tally.rows - tally.missing
    if not present:
        return "numeric", False
    if _is_boolean(tally, present):
        return "boolean", False
    told = present - tally.soft_nulls
    if not told:
        return "categorical", False
    if _is_date(tally, told):
        return "date", False
    if is_code(tally, told) or 2 * tally.beyond_exact >= told:
        return "categorical", False
    unit = choose_unit(tally)
    numbers = tally.numbers - tally.counted.total() + tally.counted[unit]
    if numbers >= NEARLY_ALL * told:
        return "numeric", False
    if tally.levels is not None and len(tally.levels) <= TOLD_APART:
        return "categorical", False
    if numbers >= MOSTLY * told:
        return "numeric", False
    if tally.dates >= MOSTLY * told:
        return "date", False
    return "categorical", tally.numbers + tally.dates + tally.unclear_dates >= MIXED * told


def is_code(tally: ColumnCounts, told: int) -> bool:
    """Whether numbers are codes: digits alone, with zeros in front that a number would lose."""
    if tally.whole < NEARLY_ALL * told or tally.leading_zeros < max(1.0, _LEADING_ZEROS * told):
        return False
    few_levels = tally.levels is not None and 5 * len(tally.levels) <= told
    return tally.widths[0] == tally.widths[1] or tally.leading_zeros >= 0.5 * told or few_levels


def choose_unit(tally: ColumnCounts) -> str:
    """The unit of ``units.COUNTED`` that at least half of the numbers name, or none."""
    if not tally.counted:
        return ""
    unit, cells = max(tally.counted.items(), key=lambda pair: (pair[1], pair[0]))
    return unit if 2 * cells >= tally.numbers else ""


def percent_as_written(tally: ColumnCounts) -> bool | None:
    """Whether ``12%`` means 12 here: where other numbers of the column are often above 1, and rather as large as its
    percentages as written than as fractions. None: numbers are often above 1, and there is no percentage to compare.
    """
    cells = tally.magnitude_cells
    if not tally.plain or tally.beyond_one < _BEYOND_ONE * tally.plain:
        return False
    if not tally.percent:
        return None
    bare = cells["plain"] + cells["comma"]
    if not bare or not cells["percent"]:
        return False
    plain = (tally.magnitude["plain"] + tally.magnitude["comma"]) / bare
    percent = tally.magnitude["percent"] / cells["percent"]
    return abs(plain - percent) < abs(plain - (percent - 2_000.0))


def day_first(tally: ColumnCounts) -> bool | None:
    """Whether ``04/03/2021`` is 4 March: what most of the cells that show it say. None: no cell is written so."""
    if not tally.orders:
        return None
    return tally.orders[1] > tally.orders[-1]


def decimal_comma(tally: ColumnCounts) -> bool:
    """Whether a comma is the decimal mark: where more cells show that it is than that it is not, and those are not a
    few odd ones among many that may be either.
    """
    sure, against = contrary_numbers(tally, decimal_comma=False), contrary_numbers(tally, decimal_comma=True)
    unsure = tally.ambiguous_points + sum(tally.commas[mark] for mark in UNSURE_MARKS)
    return sure > against and sure >= (1 - NEARLY_ALL) * unsure


def contrary_numbers(tally: ColumnCounts, *, decimal_comma: bool, unit: str | None = None) -> int:
    """Cells that show that the decimal mark is the other one; ``unit``: not those that name another unit."""
    marks = SURE_POINTS if decimal_comma else SURE_COMMAS
    cells = sum(tally.commas[mark] for mark in marks) + (tally.decimals if decimal_comma else 0)
    if unit is None:
        return cells
    return cells - sum(count for (mark, other), count in tally.unit_commas.items() if mark in marks and other != unit)


def contrary_dates(tally: ColumnCounts, *, day_first: bool | None) -> int:
    """Dates that show that day and month are in the other order; none if the column has no order."""
    order = -1 if day_first else 1
    return 0 if day_first is None else tally.orders[order] - tally.sentinel_orders[order]


def _is_boolean(tally: ColumnCounts, present: int) -> bool:
    """Whether cells are the two words of one pair; 1 and 0 may stand beside them if both do."""
    pair = tally.pair
    if pair is None or (pair not in CLEAR_ALONE and not all(tally.words[word] for word in pair)):
        return False
    nothing = tally.soft_nulls - tally.soft_words
    if nothing > (1 - NEARLY_ALL) * present:
        return False
    words, told = tally.pair_count(), present - nothing
    digits = tally.zeros + tally.ones if tally.zeros and tally.ones else 0
    if digits > words:
        return words + digits == told
    return words + digits >= _SURELY_BOOLEAN * told


def _is_date(tally: ColumnCounts, told: int) -> bool:
    """Whether nearly all cells are dates, or digits that mean one."""
    digits = tally.compact + (tally.months if tally.months >= _ENOUGH else 0)
    told -= tally.no_dates
    if told <= 0 or (tally.no_dates and tally.dates + digits < _ENOUGH):
        return tally.dates > 0 and tally.dates >= NEARLY_ALL * told
    if tally.dates + digits >= NEARLY_ALL * told:
        return True
    return tally.dates >= _TRUE_DATES * told and tally.dates + digits + tally.serials >= NEARLY_ALL * told
