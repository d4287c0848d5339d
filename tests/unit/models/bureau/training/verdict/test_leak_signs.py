"""Signs of leaks: columns that tell the outcome are named, honest ones and noise are not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.bureau.training.verdict.leak_signs import _cells, find_leak_signs
from models.bureau.training_verdict import TrainingVerdict
from models.bureau.verdict_words import leak_lines
from models.shared.features import encode_features, infer_features


def signs(columns: Mapping[str, object], label: np.ndarray, joint_auc: float = 0.8) -> dict[str, str]:
    frame = pl.DataFrame(columns, strict=False)
    features = infer_features(frame, "bank")
    found = find_leak_signs(encode_features(frame, features), label, features, joint_auc, seed=1)
    assert [leak.auc for leak in found] == sorted((leak.auc for leak in found), reverse=True)
    return {leak.feature: leak.kind for leak in found}


def sample(rows: int, seed: int = 0) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.2).astype(np.int64)
    return rng, label, label + rng.normal(size=rows)


@pytest.mark.parametrize("rows", [300, 3000])
def test_each_kind_of_leak_is_named(rows: int) -> None:
    rng, label, honest = sample(rows)
    columns = {
        "honest": honest,
        "other": honest + rng.normal(size=rows),
        "label": label,
        "reversed": 1 - label,
        "words": np.where(label == 1, "charged off", "paid"),
        "loss": np.where(label == 1, rng.integers(100, 10**6, rows), 0),
        "nearly": np.where(rng.random(rows) < 0.97, label, 1 - label) + rng.normal(size=rows) * 0.2,
        "code": np.where(label == 1, 5, rng.choice([1, 2, 8, 9], rows)),  # a leak that is not monotone
        "ended": [str(rng.integers(2000, 2020)) if one else None for one in label == 1],
    }
    assert signs(columns, label, 0.99) == {
        "label": "equals_label",
        "reversed": "equals_label",
        "words": "equals_label",
        "loss": "alone",
        "nearly": "alone",
        "code": "alone",
        "ended": "missing",
    }


@pytest.mark.parametrize("days", [20, 66, 500, 9000])
def test_a_date_that_gives_away_the_outcome_is_named(days: int) -> None:
    """Like a number, by its order: few dates or many, and some missing."""
    rng, label, honest = sample(3000)
    day = np.datetime64("2020-01-01") + rng.integers(0, days, 3000) + days * label
    dates = [None if gap else str(one) for gap, one in zip(rng.random(3000) < 0.02, day, strict=True)]
    apart = np.datetime64("2020-01-01") + rng.integers(0, days, 3000)
    columns = {"closed": dates, "opened": [str(one) for one in apart], "honest": honest}
    assert signs(columns, label, 0.99) == {"closed": "alone"}


def test_missing_dates_are_no_date() -> None:
    """With 65 dates and more, gaps share no group with a date."""
    values = np.concatenate([np.arange(70.0), np.full(70, np.nan)])
    for ordered in (True, False):
        cells = _cells(values, ordered)
        assert not set(cells[:70].tolist()) & set(cells[70:].tolist())


def test_a_column_that_is_the_whole_model() -> None:
    rng, label, _ = sample(2000)
    columns = {f"noise {number}": rng.normal(size=2000) for number in range(5)}
    columns["only"] = 2 * label + rng.normal(size=2000)  # AUC 0.92
    assert signs(columns, label, 0.92) == {"only": "dominates"}
    columns["second"] = 1.5 * label + rng.normal(size=2000)
    assert signs(columns, label, 0.95) == {}


@pytest.mark.parametrize("rows", [40, 60, 400])
def test_noise_identifiers_and_gaps_at_random_are_no_leaks(rows: int) -> None:
    for seed in range(10):
        rng, label, honest = sample(rows, seed)
        label[:5] = 1
        columns: dict[str, object] = {f"noise {number}": rng.normal(size=rows) for number in range(40)}
        for number in range(5):
            gaps = rng.random(rows) < 0.5
            columns[f"gaps {number}"] = [None if gap else str(one) for gap, one in zip(gaps, honest, strict=True)]
        columns |= {"id": [f"n{number}" for number in range(rows)], "row": np.arange(rows), "empty": [None] * rows}
        assert signs(columns, label, 0.5) == {}


def test_a_small_sample_still_shows_a_leak() -> None:
    _, label, honest = sample(40)
    label[:5] = 1
    assert signs({"label": label, "honest": honest}, label)["label"] == "equals_label"


def few_defaults(rows: int, columns: int, seed: int) -> tuple[dict[str, object], np.ndarray]:
    """Five defaults, and noise: numbers, numbers with gaps, flags and codes."""
    rng = np.random.default_rng([seed, rows])
    label = np.zeros(rows, dtype=np.int64)
    label[rng.choice(rows, 5, replace=False)] = 1
    noise: dict[str, object] = {}
    for number in range(0, columns, 4):
        values = rng.normal(size=rows)
        noise[f"number {number}"] = values
        noise[f"gaps {number}"] = np.where(rng.random(rows) < rng.uniform(0.05, 0.6), np.nan, values)
        noise[f"flag {number}"] = (rng.random(rows) < rng.uniform(0.02, 0.6)).astype(int)
        noise[f"code {number}"] = [f"c{code}" for code in rng.integers(0, 40, rows)]
    return noise, label


def test_chance_among_hundreds_of_columns_is_no_leak() -> None:
    assert signs(*few_defaults(1000, 400, 2), 0.5) == {}  # two columns have an AUC above 0.95


def test_few_defaults_among_hundreds_of_columns_still_show_leaks() -> None:
    noise, label = few_defaults(1000, 400, 1)
    rng = np.random.default_rng(2)
    leaks = {
        "label": label,
        "loss": np.where(label == 1, 9.0, np.maximum(rng.normal(size=1000) - 1, 0)),
        "ended": [None if one == 0 and rng.random() > 0.03 else "2020" for one in label],
        "code": np.where(label == 1, "off", rng.choice(["a", "b", "c"], 1000)),
    }
    assert signs({**noise, **leaks}, label, 0.99) == {
        "label": "equals_label",
        "loss": "alone",
        "ended": "missing",
        "code": "alone",
    }


# The loans of the U.S. Small Business Administration are not part of the program (../shared/data/sba).
LOANS = Path(__file__).parents[7] / "shared" / "data" / "sba" / "SBAcase.11.13.17.csv"
OF_THE_LOAN = ["DisbursementGross", "GrAppv", "SBA_Appv", "RevLineCr"]
OF_THE_FIRM = [
    "NAICS",
    "NoEmp",
    "NewExist",
    "UrbanRural",
    "CreateJob",
    "RetainedJob",
    "RealEstate",
    "Recession",
    "Portion",
]


def _loans() -> pl.DataFrame:
    if LOANS.is_file():
        return pl.read_csv(LOANS, infer_schema=False)
    warnings.warn("SBA loans are not here: the report on a real leak was NOT tested", stacklevel=1)
    pytest.skip("SKIPPED: no SBA loans in ../shared/data/sba, so no leak of real data was looked for")


def _verdict(public: list[str]) -> TrainingVerdict:
    loans = _loans()
    label = loans["Default"].cast(pl.Int64).to_numpy()
    settings = TrainingSettings(compared=False, trees=60)
    return train_model(loans.select(public), loans.select(OF_THE_LOAN), label, settings).model.card.verdict


def test_the_report_points_at_term_and_at_no_honest_column() -> None:
    verdict = _verdict([*OF_THE_FIRM, "Term"])
    assert [(leak.feature, leak.party) for leak in verdict.leaks] == [("Term", "bureau")]
    assert verdict.leaks[0].auc > 0.95
    ((zh, en),) = leak_lines(verdict)
    assert "Term" in zh and "泄露" in zh
    assert "Term" in en and "leak" in en


def test_without_term_there_is_nothing_to_point_at() -> None:
    assert _verdict(OF_THE_FIRM).leaks == ()


def test_columns_written_after_the_outcome_are_pointed_at_too() -> None:
    told = {leak.feature: leak.kind for leak in _verdict([*OF_THE_FIRM, "MIS_Status", "ChgOffDate", "daysterm"]).leaks}
    assert told["MIS_Status"] in ("equals_label", "alone")
    assert told["ChgOffDate"] == "missing"
    assert "daysterm" in told
