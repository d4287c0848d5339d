"""Drift: no alarm by chance, and none missed when units, spellings or blanks change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.terms.errors import InvalidInput
from models.shared.drift.column_drift import measure_all_drift, measure_drift, require_acceptable_drift
from models.shared.drift.column_profiles import measure_profile
from models.shared.features import Feature

CATEGORIES = tuple(f"c{code}" for code in range(20))


def feature(kind: str, categories: tuple[str, ...] = ()) -> Feature:
    return Feature("x", "bank", kind, categories, "conduct", "列", "column")  # type: ignore[arg-type]


NUMBER, CATEGORY = feature("numeric"), feature("categorical", CATEGORIES)
Draws = tuple[Feature, NDArray[np.float64], NDArray[np.float64]]
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
SHARES = np.linspace(2, 0.1, 21) / np.linspace(2, 0.1, 21).sum()
SAMPLES: dict[str, tuple[Feature, Draw]] = {
    "amounts": (NUMBER, lambda rng, n: rng.lognormal(8, 1.5, n)),
    "missing": (NUMBER, lambda rng, n: np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))),
    "zeros": (NUMBER, lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(3, 1, n))),
    "counts": (NUMBER, lambda rng, n: rng.poisson(1.2, n).astype(float)),
    "flag": (NUMBER, lambda rng, n: (rng.random(n) < 0.03).astype(float)),
    "rare flag": (NUMBER, lambda rng, n: (rng.random(n) < 0.006).astype(float)),
    "categories": (CATEGORY, lambda rng, n: rng.choice(21, n, p=SHARES).astype(float)),
}
UNITS = ("amounts", "missing", "zeros", "counts")


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


@pytest.mark.parametrize("factor", [30.0, 100.0, 10_000.0, 0.01, 1 / 30])
@pytest.mark.parametrize(("name", "rows"), [("amounts", 30), *((name, 300) for name in UNITS), ("amounts", 3000)])
def test_another_unit_stops(name: str, factor: float, rows: int) -> None:
    rng, (column, draw) = np.random.default_rng(8), SAMPLES[name]
    profile = measure_profile(column, draw(rng, 1000))
    drift = measure_drift(column, profile, draw(rng, rows) * factor)
    assert drift.level == "stop" and all(drift.text)


@pytest.mark.parametrize("factor", [30.0, 10_000.0, 1 / 30])
@pytest.mark.parametrize("moving", [18, 30, 49])
def test_another_unit_stops_in_a_column_that_is_nearly_always_zero(moving: int, factor: float) -> None:
    rng = np.random.default_rng(13)
    pilot = np.r_[np.zeros(1000 - moving), rng.lognormal(3, 1, moving)]
    later = np.where(rng.random(20_000) < moving / 1000, rng.lognormal(3, 1, 20_000), 0.0)
    profile = measure_profile(NUMBER, pilot)
    assert measure_drift(NUMBER, profile, later).level == "stable"
    assert measure_drift(NUMBER, profile, later * factor).level == "stop"


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


def many_values(rng: np.random.Generator, shares: NDArray[np.float64], sizes: tuple[int, int]) -> Draws:
    """The feature of a column whose 63 most frequent values in the pilot are its categories; pilot and portfolio."""
    pilot, later = (rng.choice(len(shares), size, p=shares) for size in sizes)
    counts = np.bincount(pilot, minlength=len(shares))
    most = [place for place in np.argsort(-counts, kind="stable")[:63] if counts[place]]
    codes = np.full(len(shares), float(len(most)))
    codes[most] = np.arange(len(most))
    return feature("categorical", tuple(f"c{place}" for place in most)), codes[pilot], codes[later]


ZIPF = 1 / np.arange(1, 2001)
MANY = {
    "63": np.full(63, 1 / 63),
    "300, some frequent": ZIPF[:300] / ZIPF[:300].sum(),
    "2,000, some frequent": ZIPF / ZIPF.sum(),
    "2,000": np.full(2000, 1 / 2000),
}


@pytest.mark.parametrize("pilot", [250, 500])
@pytest.mark.parametrize("name", MANY)
def test_many_categories_raise_no_alarm_by_chance_and_stop_when_recoded(name: str, pilot: int) -> None:
    rng = np.random.default_rng(15)
    levels, recoded = [], []
    for rows in (300, 3000, 20_000):
        for _ in range(40):
            column, before, now = many_values(rng, MANY[name], (pilot, rows))
            profile = measure_profile(column, before)
            levels.append(measure_drift(column, profile, now).level)
            recoded.append(measure_drift(column, profile, np.full(rows, float(len(column.categories)))).level)
    assert "stop" not in levels
    assert levels.count("watch") <= 0.01 * len(levels)
    if name != "2,000":  # where nearly every value is rare before, none becomes rare
        assert set(recoded) == {"stop"}


def test_a_stop_names_the_columns_and_can_be_accepted() -> None:
    rng = np.random.default_rng(12)
    profile = measure_profile(NUMBER, rng.normal(size=500))
    found = measure_all_drift([NUMBER], [profile], np.full((100, 1), np.nan))
    with pytest.raises(InvalidInput, match="x: 100% missing, 0% in training") as caught:
        require_acceptable_drift(found, accepted=False)
    assert "--accept-drift" in str(caught.value.next_step)
    require_acceptable_drift(found, accepted=True)
    assert measure_all_drift([NUMBER], [], np.zeros((3, 1))) == ()


def test_the_text_says_the_same_in_both_languages() -> None:
    values = np.random.default_rng(16).lognormal(3, 1, 1000)
    zh, en = measure_drift(NUMBER, measure_profile(NUMBER, values), values * 1000).text
    assert "非零值中 100% 处于训练时最低（或最高）的一段，训练时 10%" in zh
    assert "100% of values that are not zero as low (or high) as 10% were in training" in en
