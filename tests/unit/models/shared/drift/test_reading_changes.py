"""A column that is written by other conventions than those of the training is found; the same conventions are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.shared.drift.column_drift import count_outliers
from models.shared.drift.column_profiles import measure_profile
from models.shared.drift.reading_changes import compare_readings
from models.shared.features import Feature, infer_features

AMOUNTS = [f"{number * 7.5:.1f}" for number in range(40)]
DAYS = [f"2021-{1 + number % 12:02d}-{1 + number % 28:02d}" for number in range(40)]
DAY_FIRST = [f"{day[8:]}/{day[5:7]}/{day[:4]}" for day in DAYS]
MONTH_FIRST = [f"{day[5:7]}/{day[8:]}/{day[:4]}" for day in DAYS]


def feature(cells: list[str]) -> Feature:
    return infer_features(pl.DataFrame({"a": cells}), "bank")[0]


def changes(before: list[str], now: list[str]) -> list[str]:
    (found,) = compare_readings(pl.DataFrame({"a": now}), [feature(before)])
    return [en for _, en in found.changes]


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (AMOUNTS, [cell.replace(".", ",") for cell in AMOUNTS], "comma and point"),
        ([*AMOUNTS[:38], "12%", "15%"], [f"0.{number:02d}" for number in range(38)] + ["12%", "15%"], "percentages"),
        (MONTH_FIRST, DAY_FIRST, "day and month"),
        (DAY_FIRST, MONTH_FIRST, "day and month"),
    ],
)
def test_another_convention_is_a_change(before: list[str], now: list[str], said: str) -> None:
    (found,) = changes(before, now)
    assert said in found


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (AMOUNTS, [f"{float(cell) * 1000:,.2f}" for cell in AMOUNTS]),
        (AMOUNTS, AMOUNTS[:3]),
        (DAYS, [day.replace("-", "/") for day in DAYS]),
        (DAY_FIRST, DAY_FIRST[:5]),
        (["A", "B"] * 20, ["B", "C"] * 20),
    ],
)
def test_another_spelling_is_none(before: list[str], now: list[str]) -> None:
    assert not changes(before, now)


def test_numbers_that_stand_for_no_value_are_told() -> None:
    now = [*AMOUNTS, *["-999"] * 5]
    (found,) = compare_readings(pl.DataFrame({"a": now}), [feature(AMOUNTS)])
    assert [(note.kind.value, note.count) for note in found.notes] == [("sentinel", 5)]


def test_a_few_values_in_another_unit_are_outliers() -> None:
    values = np.random.default_rng(5).lognormal(8, 1, 1_000)
    profile = measure_profile(feature([str(value) for value in values]), values)
    assert count_outliers(profile, values) == 0
    assert count_outliers(profile, values[:3] * 10_000) == 3
    assert count_outliers(profile, np.full(4, np.nan)) == 0
    assert count_outliers(None, values) == 0
