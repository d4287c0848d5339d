"""Sentinels are far from all other values."""

from __future__ import annotations

from lab.tables.cells.sentinels import find_sentinel_days, find_sentinels


def test_small_ones_need_a_column_of_counts() -> None:
    assert find_sentinels({-1.0: 50}, 0.0, 300.0, 1000) == ((-1.0,), 0)
    assert find_sentinels({-1.0: 50}, 0.0, 3.0, 1000) == ((), 0)
    assert find_sentinels({-1.0: 50}, -0.5, 300.0, 1000) == ((), 0)


def test_a_group_is_as_frequent_as_its_members_together() -> None:
    assert find_sentinels({-998.0: 3, -999.0: 3}, 0.0, 300.0, 1000) == ((-999.0, -998.0), 0)
    assert find_sentinels({-999.0: 2}, 0.0, 300.0, 1000) == ((), 2)


def test_what_lies_among_the_others_is_a_value() -> None:
    assert find_sentinels({999.0: 50}, 0.0, 2000.0, 1000) == ((), 0)
    assert find_sentinels({999.0: 50}, 0.0, 900.0, 1000) == ((), 0)


def test_a_column_of_nothing_else() -> None:
    assert find_sentinels({-999.0: 9}, float("inf"), float("-inf"), 9) == ((-999.0,), 0)
    assert find_sentinels({}, float("inf"), float("-inf"), 0) == ((), 0)
    assert find_sentinel_days({-25567.0: 9}, float("inf"), float("-inf")) == ()


def test_days_are_ten_years_away() -> None:
    assert find_sentinel_days({-25567.0: 1, 2932896.0: 1}, 17000.0, 18000.0) == (-25567.0, 2932896.0)
    assert find_sentinel_days({0.0: 5}, 1000.0, 18000.0) == ()
