"""Units."""

from __future__ import annotations

from lab.tables.cells.values.units import COLUMN_UNITS, COUNTED, POWERS, currency_of


def test_units_are_in_lower_case_and_mean_one_thing() -> None:
    assert all(unit == unit.lower() for unit in (*POWERS, *COUNTED, *COLUMN_UNITS))
    assert not set(POWERS) & set(COUNTED)


def test_scales() -> None:
    assert [POWERS[unit] for unit in ("元", "万", "万元", "亿美元", "千")] == [0, 4, 4, 8, 3]
    assert (COLUMN_UNITS["万元"], COLUMN_UNITS["%"], COLUMN_UNITS["天"]) == (1e4, 0.01, 1.0)


def test_the_currency_of_a_unit() -> None:
    assert [currency_of(unit) for unit in ("万元", "亿美元", "万", "hk$", "个")] == ["cny", "usd", "", "hkd", ""]
