"""Sentinels are far from all other values."""

from __future__ import annotations

from lab.tables.cells.values.sentinels import find_sentinel_days, find_sentinels


def found(counts: dict[float, int], lowest: float, highest: float, numbers: int) -> tuple[set[float], int]:
    """Of the numbers that the column has, those that are sentinels; and how many cells are too few."""
    sentinels, few = find_sentinels(counts, lowest, highest, numbers)
    return set(sentinels) & set(counts), few


def test_small_ones_need_a_column_of_counts() -> None:
    assert found({-1.0: 50}, 0.0, 300.0, 1000) == ({-1.0}, 0)
    assert found({-1.0: 50}, 0.0, 3.0, 1000) == (set(), 0)
    assert found({-1.0: 50}, -0.5, 300.0, 1000) == (set(), 0)
    assert found({-1.0: 2}, 0.0, 300.0, 1000) == (set(), 2)


def test_a_group_is_as_frequent_as_its_members_together() -> None:
    assert found({-998.0: 3, -999.0: 3}, -5.0, 300.0, 1000) == ({-999.0, -998.0}, 0)
    assert found({-999.0: 2}, -5.0, 300.0, 1000) == (set(), 2)


def test_what_nobody_could_take_for_a_value_needs_no_number() -> None:
    assert found({-999.0: 1}, 0.0, 300.0, 1000) == ({-999.0}, 0)
    assert found({99_999.0: 1}, 0.0, 300.0, 1000) == ({99_999.0}, 0)
    assert -999.0 in find_sentinels({}, 0.0, 300.0, 1000)[0]
    assert not {-1.0, 999.0} & set(find_sentinels({}, 0.0, 300.0, 1000)[0])


def test_what_lies_among_the_others_is_a_value() -> None:
    assert found({999.0: 50}, 0.0, 2000.0, 1000) == (set(), 0)
    assert found({999.0: 50}, 0.0, 900.0, 1000) == (set(), 0)


def test_a_column_of_nothing_else() -> None:
    assert find_sentinels({-999.0: 9}, float("inf"), float("-inf"), 9) == ((-999.0,), 0)
    assert find_sentinels({}, float("inf"), float("-inf"), 0) == ((), 0)
    assert find_sentinel_days(float("inf"), float("-inf")) == ()


def test_days_are_ten_years_away() -> None:
    assert {-25567.0, 2932896.0, 0.0} <= set(find_sentinel_days(17000.0, 18000.0))
    assert 0.0 not in find_sentinel_days(1000.0, 18000.0)
