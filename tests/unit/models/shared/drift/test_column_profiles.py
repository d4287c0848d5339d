"""Profiles of columns: what they count, and that nobody can be told from them."""

from __future__ import annotations

import numpy as np
import pytest

from lab.terms.errors import InvalidInput
from models.shared.drift.column_profiles import SMALLEST_COUNT, ColumnProfile, check_profiles, measure_profile
from models.shared.features import Feature

NUMBER = Feature("x", "bank", "numeric", (), "conduct", "列", "column")
CATEGORY = Feature("x", "bank", "categorical", ("a", "b", "c"), "conduct", "列", "column")


def test_small_bins_are_kept_as_empty() -> None:
    assert measure_profile(CATEGORY, np.repeat([0.0, 1.0, 2.0, 3.0], [50, 4, 5, 4])).counts == (50, 0, 5, 0)
    assert measure_profile(NUMBER, np.r_[np.arange(1.0, 101), [np.nan] * 4]).missing == 0


@pytest.mark.parametrize("few", [1, 2, 4])
def test_a_few_rows_are_not_what_the_others_leave(few: int) -> None:
    assert measure_profile(CATEGORY, np.repeat([0.0, 1.0, 2.0], [300, 100, few])).counts == (300 + few, 100, 0, 0)
    assert measure_profile(NUMBER, np.repeat([0.0, 1.0], [300, few])).counts == (300 + few, 0)
    blanks = measure_profile(NUMBER, np.repeat([np.nan, 1.0], [300, few]))
    assert (blanks.missing, blanks.counts) == (300 + few, (0, 0))


@pytest.mark.parametrize("rows", [5, 20, 60, 200, 401, 1000])
@pytest.mark.parametrize("column", [NUMBER, CATEGORY], ids=["numeric", "categorical"])
def test_nobody_is_left_over_when_what_is_shown_is_subtracted(column: Feature, rows: int) -> None:
    rng = np.random.default_rng(14)
    for share in np.repeat([0.003, 0.01, 0.03, 0.1], 25):
        rare = rng.random(rows) < share
        common = rng.choice(3, rows, p=[0.9, 0.09, 0.01]) if column is CATEGORY else rng.poisson(share, rows) * 1.25
        profile = measure_profile(column, np.where(rare, np.nan, common))
        shown = (profile.missing, *profile.counts)
        left_over = rows - sum(shown)
        assert left_over == 0 or left_over >= SMALLEST_COUNT
        assert all(count == 0 or count >= SMALLEST_COUNT for count in shown)


@pytest.mark.parametrize("values", [10, 11, 49, 50, 61, 500])
def test_each_bin_of_amounts_is_meant_for_five_rows_or_more(values: int) -> None:
    for seed in range(20):
        amounts = np.random.default_rng(seed).lognormal(8, 1.5, values)
        profile = measure_profile(NUMBER, np.r_[np.zeros(500), amounts])
        assert profile.counts[0] >= 500 and len(profile.counts) == min(10, values // SMALLEST_COUNT) + 1
        assert all(float(f"{edge:.3g}") == edge for edge in profile.edges)


def test_no_quantile_is_kept_of_fewer_than_ten_values() -> None:
    assert measure_profile(NUMBER, np.r_[np.zeros(500), np.arange(1.0, 10)]).edges == ()


def test_values_that_are_all_the_same_have_bins_on_both_sides() -> None:
    assert measure_profile(NUMBER, np.repeat([0.0, 1.0], [300, 20])).edges == (0.5, 1.0)
    assert measure_profile(NUMBER, np.repeat([0.0, -1.0], [300, 20])).edges == (-1.5, -1.0)


@pytest.mark.parametrize(
    "profile",
    [
        ColumnProfile("y", 10, 0, (), (0, 0)),
        ColumnProfile("x", 10, 0, (), (0,)),
        ColumnProfile("x", 10, 0, (2.0, 1.0), (0, 0, 0, 0)),
        ColumnProfile("x", 10, 5, (), (3, 3)),
    ],
)
def test_profiles_must_fit_their_features(profile: ColumnProfile) -> None:
    with pytest.raises(InvalidInput):
        check_profiles([NUMBER], [profile], of="sheet")
