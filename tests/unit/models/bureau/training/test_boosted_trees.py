"""Directions of features: kept by LightGBM, by the forest, and by what the bureau multiplies under encryption."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau.feature_origin import FeatureOrigin
from models.bureau.model import Model
from models.bureau.serialization import load_model, serialize_model
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.trainer import train_model
from models.shared.item_sources import ItemSource
from models.shared.sheet import BankSheet

SALES = ItemSource("tax.sales", "销售额", "sales", "税务局", "tax office", "2026-10-05")
ORIGINS = (
    FeatureOrigin("sales", -1, (SALES,)),
    FeatureOrigin("cases", 1, ()),
    FeatureOrigin("size", 0, ()),
)


def _sample(rows: int = 900) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    """Risk that wiggles with both columns, so that trees without constraint follow the wiggles."""
    rng = np.random.default_rng(5)
    sales, cases = rng.uniform(0, 10, rows), rng.integers(0, 12, rows)
    used = rng.uniform(0, 1, rows)
    risk = -0.4 * sales + 1.5 * np.sin(2 * sales) + 0.3 * cases + 1.2 * np.cos(2 * cases) + 2 * used
    label = (risk + rng.normal(0, 1, rows) > np.quantile(risk, 0.7)).astype(np.int64)
    size = rng.choice(["small", "large"], rows)
    known = np.where(rng.random(rows) < 0.05, "", sales.round(3).astype(str))
    public = pl.DataFrame({"sales": known, "cases": cases.astype(str), "size": size})
    return public, pl.DataFrame({"used": used.round(4).astype(str)}), label


def _train(origins: tuple[FeatureOrigin, ...] = ORIGINS) -> Model:
    public, bank, label = _sample()
    return train_model(public, bank, label, TrainingSettings(origins=origins, compared=False)).model


@pytest.fixture(scope="module")
def model() -> Model:
    """A model with directions."""
    return _train()


def _grid(column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    values = {"sales": np.linspace(-1, 12, 200), "cases": np.arange(-1, 14)}[column]
    base = {"sales": "4.5", "cases": "3", "size": "small"}
    rows = [base | {column: str(value)} for value in values]
    return pl.DataFrame(rows), pl.DataFrame({"used": ["0.35"] * len(rows)})


@pytest.mark.parametrize(("column", "direction"), [("sales", -1), ("cases", 1)])
def test_scores_keep_the_direction(model: Model, column: str, direction: int) -> None:
    steps = np.diff(model.raw_scores(*_grid(column)))
    assert (direction * steps >= -1e-12).all()
    assert (direction * steps > 0).any()
    free = _train(())
    assert (direction * np.diff(free.raw_scores(*_grid(column))) < 0).any()  # without the constraint it does not


@pytest.mark.parametrize("detail", [ResultDetail.TOTAL, ResultDetail.FULL])
@pytest.mark.parametrize(("column", "direction"), [("sales", -1), ("cases", 1)])
def test_what_is_computed_under_encryption_keeps_the_direction(
    model: Model, column: str, direction: int, detail: ResultDetail
) -> None:
    public, bank = _grid(column)
    sums = model.score_weights(public, detail).apply_to_indicators(model.indicators(bank))
    outputs = model.outputs(detail)
    counted = [place for place, output in enumerate(outputs) if output.kind in ("total", "dimension")]
    raw = sums[counted].sum(axis=0) * model.quantum + model.forest.intercept
    assert np.abs(raw - model.raw_scores(public, bank)).max() <= model.error_bound
    # Each score is within the error bound of one that keeps the direction.
    assert (direction * np.diff(raw) >= -2 * model.error_bound).all()


def test_a_category_has_no_direction() -> None:
    made = _train((FeatureOrigin("size", 1, ()), *ORIGINS[:2]))
    assert {one.feature: one.direction for one in made.origins} == {"size": 0, "sales": -1, "cases": 1}


def test_the_sheet_says_where_items_come_from_and_no_value(model: Model) -> None:
    sheet = model.sheet(ResultDetail.FULL)
    by_code = {item.code: item for item in sheet.items}
    assert by_code["sales"].sources == (SALES,)
    assert BankSheet.from_json(sheet.to_json()) == sheet
    assert load_model(serialize_model(model)) == model
    assert model.summary()["directions"] == {"sales": -1, "cases": 1}


def test_a_scorecard_keeps_no_directions() -> None:
    public, bank, label = _sample(200)
    with pytest.raises(InvalidInput, match="directions"):
        train_model(public, bank, label, TrainingSettings(family="scorecard", origins=ORIGINS))
