"""Profiles and drift: no alarm by chance, and none missed when units, spellings or blanks change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.terms.errors import InvalidInput
from models.shared.column_profiles import (
    ColumnProfile,
    check_profiles,
    measure_all_drift,
    measure_drift,
    measure_profile,
    require_acceptable_drift,
)
from models.shared.features import Feature

CATEGORIES = tuple(f"c{code}" for code in range(20))


def feature(kind: str, categories: tuple[str, ...] = ()) -> Feature:
    return Feature("x", "bank", kind, categories, "conduct", "列", "column")  # type: ignore[arg-type]


NUMBER, CATEGORY = feature("numeric"), feature("categorical", CATEGORIES)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
SHARES = np.linspace(2, 0.1, 21) / np.linspace(2, 0.1, 21).sum()
SAMPLES: dict[str, tuple[Feature, Draw]] = {
    "amounts": (NUMBER, lambda rng, n: rng.lognormal(8, 1.5, n)),
    "missing": (NUMBER, lambda rng, n: np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))),
    "zeros": (NUMBER, lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(3, 1, n))),
    "counts": (NUMBER, lambda rng, n: rng.poisson(1.2, n).astype(float)),
    "flag": (NUMBER, lambda rng, n: (rng.random(n) < 0.03).astype(float)),
    "categories": (CATEGORY, lambda rng, n: rng.choice(21, n, p=SHARES).astype(float)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_distribution_raises_no_alarm_by_chance(name: str) -> None:
    rng, (column, draw) = np.random.default_rng(7), SAMPLES[name]
    levels = [
        measure_drift(column, measure_profile(column, draw(rng, pilot)), draw(rng, rows)).level
        for pilot in (200, 600, 2000)
        for rows in (1, 5, 30, 60, 300, 1000, 5000)
        for _ in range(40)
    ]
    assert "stop" not in levels
    assert levels.count("watch") <= 0.01 * len(levels)


@pytest.mark.parametrize("rows", [30, 300, 3000])
@pytest.mark.parametrize("factor", [30.0, 100.0, 10_000.0, 0.01])
@pytest.mark.parametrize("name", ["amounts", "zeros"])
def test_another_unit_stops(name: str, factor: float, rows: int) -> None:
    rng, (column, draw) = np.random.default_rng(8), SAMPLES[name]
    profile = measure_profile(column, draw(rng, 1000))
    if name == "zeros" and rows == 30:
        return  # three values that are not zero show nothing
    assert measure_drift(column, profile, draw(rng, rows) * factor).level == "stop"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_blank_column_stops(name: str) -> None:
    rng, (column, draw) = np.random.default_rng(9), SAMPLES[name]
    drift = measure_drift(column, measure_profile(column, draw(rng, 600)), np.full(30, np.nan))
    assert drift.level == "stop" and "100% missing" in drift.text[1] and "缺失 100%" in drift.text[0]


def test_other_spellings_of_all_categories_stop_and_of_a_tenth_are_watched() -> None:
    rng = np.random.default_rng(10)
    usual = rng.integers(0, 20, 1000).astype(float)
    profile = measure_profile(CATEGORY, usual)
    assert measure_drift(CATEGORY, profile, np.full(200, 20.0)).level == "stop"
    some = np.where(np.arange(1000) % 10 == 0, 20.0, usual)
    assert measure_drift(CATEGORY, profile, some).level == "watch"
    assert measure_drift(CATEGORY, profile, (usual + 10) % 20).level == "stable"  # the same shares


@pytest.mark.parametrize("name", SAMPLES)
def test_one_enterprise_never_stops(name: str) -> None:
    rng, (column, draw) = np.random.default_rng(11), SAMPLES[name]
    profile = measure_profile(column, draw(rng, 5000))
    for value in (np.nan, 0.0, 20.0 if column.kind == "categorical" else 1e12):
        assert measure_drift(column, profile, np.array([value])).level != "stop"


def test_no_rows_and_no_sample_are_no_drift() -> None:
    profile = measure_profile(NUMBER, np.array([]))
    assert measure_drift(NUMBER, profile, np.array([])).level == "stable"
    assert measure_drift(NUMBER, profile, np.arange(100.0)).level == "stable"
    assert measure_drift(NUMBER, measure_profile(NUMBER, np.arange(500.0)), np.array([])).level == "stable"


def test_small_bins_are_kept_as_empty() -> None:
    profile = measure_profile(CATEGORY, np.repeat([0.0, 1.0, 2.0], [50, 4, 5]))
    assert profile.counts[:3] == (50, 0, 5)
    assert measure_profile(NUMBER, np.r_[np.arange(1.0, 101), [np.nan] * 4]).missing == 0


def test_a_stop_names_the_columns_and_can_be_accepted() -> None:
    rng = np.random.default_rng(12)
    profile = measure_profile(NUMBER, rng.normal(size=500))
    found = measure_all_drift([NUMBER], [profile], np.full((100, 1), np.nan))
    with pytest.raises(InvalidInput, match="x: 100% missing, 0% in training") as caught:
        require_acceptable_drift(found, accepted=False)
    assert "--accept-drift" in str(caught.value.next_step)
    require_acceptable_drift(found, accepted=True)
    assert measure_all_drift([NUMBER], [], np.zeros((3, 1))) == ()


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
