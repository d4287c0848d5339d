"""The units that a mapping may state for numbers and amounts of money."""

from __future__ import annotations

from typing import Final

from lab.tables.cells.values.units import COLUMN_UNITS, COUNTED, CURRENCIES, POWERS, currency_of

AS_WRITTEN: Final = "as-written"
"""Every cell names its own unit."""
YUAN_UNITS: Final = (
    *(
        unit
        for unit in (*POWERS, "thousand", "million", "billion")
        if unit in COLUMN_UNITS and unit not in CURRENCIES and currency_of(unit) in ("", "cny")
    ),
    "元",
    "yuan",
)
"""For an amount, beside ``as-written``."""
NUMBER_UNITS: Final = (*(unit for unit in POWERS if not currency_of(unit) and "元" not in unit), *COUNTED)
"""For another number, beside the item's own."""
