"""What the bank is told of its own columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bank.portfolio import Portfolio, read_portfolio
from lab.bank.scoring.column_check import CheckedColumn, check_columns
from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.drift.reading_changes import ReadingChange
from models.shared.features import infer_features, read_features
from models.shared.sheet import BankSheet


@pytest.mark.parametrize(
    ("pilot", "later", "words"),
    [
        ("03/14/2021", "14/03/2021", "day and month the other way round"),
        ("12.50", "12,50", "decimal point and comma the other way round"),
    ],
)
def test_another_convention_than_in_training_is_told(pilot: str, later: str, words: str) -> None:
    features = infer_features(pl.DataFrame({"a": [pilot] * 30}), "bank")
    _, (cells,) = read_features(pl.DataFrame({"a": [pilot, later]}), features)
    column = CheckedColumn(features[0], cells, None, (3,), ReadingChange("a", (), ()))
    assert words in column.warnings[1] and "1 of these cells" in column.warnings[1]
    assert later not in " ".join(column.warnings)
    assert column.as_dict()["contrary"] == 1


@pytest.fixture(scope="module")
def sheet() -> BankSheet:
    """Of a model of one bank column, in percentage points with some percent signs."""
    random = np.random.default_rng(3)
    share = random.uniform(2, 60, 400)
    cells = [f"{value:.1f}%" if place % 9 == 0 else f"{value:.1f}" for place, value in enumerate(share)]
    label = (random.random(400) < share / 80).astype(int)
    public = pl.DataFrame({"p": random.integers(0, 3, 400).astype(str)})
    settings = TrainingSettings(trees=20)
    return train_model(public, pl.DataFrame({"share": cells}), label, settings).model.sheet(ResultDetail.TOTAL)


def portfolio_of(folder: Path, cells: list[str]) -> Portfolio:
    path = folder / "portfolio.csv"
    lines = [f"firm-{place},{cell}" for place, cell in enumerate(cells)]
    path.write_text("\n".join(["id,share", *lines]) + "\n", encoding="utf-8")
    return read_portfolio(path, kind="opaque")


def test_a_sheet_without_distributions_stops_the_job_unless_a_person_goes_on(sheet: BankSheet, tmp_path: Path) -> None:
    portfolio = portfolio_of(tmp_path, [f"{number}.5" for number in range(3, 53)])
    bare = replace(sheet, profiles=())
    assert not check_columns(portfolio, sheet, accept_drift=False).drift_accepted
    with pytest.raises(InvalidInput, match="distributed in training; it does not"):
        check_columns(portfolio, bare, accept_drift=False)
    assert check_columns(portfolio, bare, accept_drift=True).drift_accepted


def test_percentages_that_mean_something_else_than_in_training_stop_the_job(sheet: BankSheet, tmp_path: Path) -> None:
    """As fractions most cells would be 0.12 to the model, which was trained on 12."""
    cells = [f"0.{number:02d}" if number % 9 else f"{number}%" for number in range(3, 60)]
    with pytest.raises(InvalidInput, match="share"):
        check_columns(portfolio_of(tmp_path, cells), sheet, accept_drift=False)


def test_three_values_in_another_unit_are_told(sheet: BankSheet, tmp_path: Path) -> None:
    found = check_columns(portfolio_of(tmp_path, ["120000.5", "250000.0", "310000.0"]), sheet, accept_drift=False)
    assert any("far outside" in text for text in found.warnings)
