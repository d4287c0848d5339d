"""Properties of W: the columns give what LightGBM gives, at every detail, within the stated bounds."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from models.bureau import serialization
from models.bureau.decomposition import decompose_forest
from models.bureau.forest import Forest, read_lightgbm
from models.bureau.model import Model, choose_quantum
from models.bureau.model_card import ModelCard
from models.bureau.training.boosted_trees import interaction_constraints
from models.shared.calibration import Calibration, ScoreScale
from models.shared.columns import compute_indicators
from models.shared.dimensions import DIMENSION_CODES
from models.shared.features import Feature, FeatureParty, encode_features
from models.shared.portfolio_scores import interpret_sums
from models.shared.sheet import BankSheet

CARD = ModelCard("test", "", 1, 1, 0, 0, (), (), (), ())
LIMIT = 8_000_000
# Values around every special case: zeros of both signs, LightGBM's zero band, its largest threshold, missing.
SPECIAL = np.asarray([0.0, -0.0, 1e-36, -1e-36, float(np.float32(1e-35)), 1e-34, -1e-34, 1e10, -1e10, 1e300, np.nan])


def draw_features(rng: np.random.Generator) -> tuple[Feature, ...]:
    features = []
    counts: tuple[tuple[FeatureParty, int], ...] = (
        ("bureau", int(rng.integers(1, 4))),
        ("bank", int(rng.integers(1, 5))),
    )
    for party, count in counts:
        for number in range(count):
            size = int(rng.integers(2, 7)) if rng.random() < 0.35 else 0
            features.append(
                Feature(
                    name=f"{party}{number}",
                    party=party,
                    kind="categorical" if size else "numeric",
                    categories=tuple(f"c{code}" for code in range(size)),
                    dimension=str(rng.choice(DIMENSION_CODES)),
                    label_zh="项",
                    label_en="item",
                )
            )
    return tuple(features)


def draw_values(rng: np.random.Generator, features: tuple[Feature, ...], rows: int) -> np.ndarray:
    values = np.empty((rows, len(features)))
    for number, feature in enumerate(features):
        if feature.kind == "categorical":
            column = rng.integers(0, len(feature.categories) + 1, rows).astype(float)  # the last code is "other"
        elif rng.random() < 0.5:
            column = rng.integers(-3, 4, rows).astype(float)
        else:
            column = rng.normal(size=rows)
        if feature.kind == "numeric":
            odd = rng.random(rows) < 0.15
            column[odd] = rng.choice(SPECIAL, odd.sum())
        if rng.random() < 0.7:
            column[rng.random(rows) < 0.15] = np.nan
        values[:, number] = column
    return values


def grow(
    seed: int, *, one: bool, zero_as_missing: bool, use_missing: bool
) -> tuple[lgb.Booster, tuple[Feature, ...], np.ndarray]:
    rng = np.random.default_rng(seed)
    features = draw_features(rng)
    values = draw_values(rng, features, int(rng.integers(80, 250)))
    signal = np.nan_to_num(values, nan=0.7, posinf=1, neginf=-1).clip(-3, 3).sum(axis=1)
    label = (signal + np.sin(3 * signal) + rng.normal(size=len(values)) > np.median(signal)).astype(int)
    params: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": int(rng.integers(2, 10)),
        "learning_rate": 0.2,
        "min_data_in_leaf": 3,
        "min_data_in_bin": 1,
        "min_data_per_group": 3,
        "cat_smooth": 1.0,
        "max_cat_to_onehot": int(rng.integers(1, 6)),
        "zero_as_missing": zero_as_missing,
        "use_missing": use_missing,
        "verbose": -1,
        "seed": seed % 2**31,
        "num_threads": 1,
    }
    if one:
        params["interaction_constraints"] = interaction_constraints(features)
    data = lgb.Dataset(
        values,
        label,
        feature_name=[f"f{n}" for n in range(len(features))],
        categorical_feature=[n for n, f in enumerate(features) if f.kind == "categorical"],
        params={"verbose": -1},
    )
    booster = lgb.train(params, data, int(rng.integers(1, 9)))
    return booster, features, on_edges(rng, booster, draw_values(rng, features, 200))


def on_edges(rng: np.random.Generator, booster: lgb.Booster, values: np.ndarray) -> np.ndarray:
    """Put a tenth of the values exactly on the model's own thresholds, or on the double next to them."""
    splits = [n.split for tree in read_lightgbm(booster.dump_model()).trees for n in tree if n.split is not None]
    for split in splits:
        if split.categories is None:
            rows = rng.random(len(values)) < 0.1 / (1 + len(splits) / values.shape[1])
            near = [split.threshold, *np.nextafter(split.threshold, [-np.inf, np.inf])]
            values[rows, split.feature] = np.clip(rng.choice(near, rows.sum()), -1e300, 1e300)
    return values


def make_model(forest: Forest, features: tuple[Feature, ...], *, one: bool) -> Model:
    draft = Model(
        name="m",
        version=1,
        family="boosted",
        interactions="one" if one else "free",
        features=features,
        forest=forest,
        quantum=1.0,
        value_limit=LIMIT,
        calibration=Calibration(1.0, 0.0),
        scale=ScoreScale(),
        references=(),
        card=CARD,
    )
    quantum = choose_quantum(draft.column_weights.score_bound, draft.rounding_count, LIMIT)
    return Model(**{**{f: getattr(draft, f) for f in Model.__dataclass_fields__}, "quantum": quantum})


def as_text(values: np.ndarray, features: tuple[Feature, ...]) -> pl.DataFrame:
    """The table as a file would give it: every cell text, missing in several spellings."""
    columns: dict[str, list[str | None]] = {}
    for number, feature in enumerate(features):
        cells: list[str | None] = []
        for place, value in enumerate(values[:, number]):
            if np.isnan(value):
                cells.append((None, "", "NA", " null ", "NaN")[place % 5])
            elif feature.kind == "numeric":
                cells.append(repr(float(value)))
            else:
                cells.append((*feature.categories, "never seen")[int(value)])
        columns[feature.name] = cells
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "one": st.booleans(),
    "zero_as_missing": st.booleans(),
    "use_missing": st.booleans(),
}


@SETTINGS
@given(**CASES)
def test_columns_give_the_boosters_raw_score(seed: int, one: bool, zero_as_missing: bool, use_missing: bool) -> None:
    booster, features, values = grow(seed, one=one, zero_as_missing=zero_as_missing, use_missing=use_missing)
    forest = read_lightgbm(booster.dump_model())
    expected = np.asarray(booster.predict(values, raw_score=True))
    assert np.abs(forest.raw_scores(values) - expected).max() <= 1e-9

    numbers = [DIMENSION_CODES.index(feature.dimension) for feature in features]
    weights = decompose_forest(forest, features, numbers, one_bank_feature=one)
    split = sum(feature.party == "bureau" for feature in features)
    indicators = compute_indicators(features[split:], weights.binnings, weights.columns, values[:, split:])
    holds = weights.evaluate_conditions(weights.split_outcomes(values[:, :split]))
    base, total = (weights.base_matrix @ holds)[0], weights.column_matrix @ holds
    assert np.abs(forest.intercept + base + (indicators * total).sum(axis=0) - expected).max() <= 1e-9
    if one:
        # A bank feature's columns are its bins: exactly one answer is yes for each enterprise.
        for feature in set(weights.column_features):
            own = indicators[np.asarray(weights.column_features) == feature]
            assert (own.sum(axis=0) <= 1).all()
        for place in weights.implied_columns:
            own = indicators[np.asarray(weights.column_features) == weights.column_features[place]]
            assert (own.sum(axis=0) == 1).all()
        assert len(set(weights.implied_columns)) == len(weights.implied_columns)
    else:
        assert weights.implied_columns == ()


@SETTINGS
@given(**CASES)
def test_integers_agree_at_every_detail(seed: int, one: bool, zero_as_missing: bool, use_missing: bool) -> None:
    booster, features, values = grow(seed, one=one, zero_as_missing=zero_as_missing, use_missing=use_missing)
    model = make_model(read_lightgbm(booster.dump_model()), features, one=one)
    frame = as_text(values, features)
    public = frame.select([f.name for f in model.public_features])
    bank = frame.select([f.name for f in model.bank_features])
    assert np.array_equal(encode_features(frame, features), values, equal_nan=True)
    expected = np.asarray(booster.predict(values, raw_score=True))

    totals = []
    for detail in ResultDetail:
        if not one and detail in (ResultDetail.FEATURES, ResultDetail.FULL):
            with pytest.raises(InvalidInput, match="interactions=one"):
                model.score_weights(public, detail)
            continue
        sheet = BankSheet.from_json(model.sheet(detail).to_json())
        score_weights = model.score_weights(public, detail)
        assert score_weights.weights.dtype == np.int64 and score_weights.base.shape == (len(sheet.outputs), len(values))
        sums = score_weights.apply_to_indicators(sheet.compute_indicators(bank))
        assert np.abs(sums).max(initial=0) <= model.value_bound(detail) <= LIMIT
        assert np.abs(score_weights.weights).max(initial=0) <= 2 * model.value_bound(detail)  # differences of two
        outcome = interpret_sums(sheet, sums)
        assert np.abs(outcome.raw - expected).max() <= sheet.error_bound
        kinds = {
            "dimension": [n for n, o in enumerate(sheet.outputs) if o.kind == "dimension"],
            "feature": [n for n, o in enumerate(sheet.outputs) if o.kind in ("feature", "public")],
            "total": [n for n, o in enumerate(sheet.outputs) if o.kind == "total"],
        }
        totals += [sums[places].sum(axis=0) for places in kinds.values() if places]
    assert len(totals) == (5 if one else 2)
    assert all(np.array_equal(totals[0], other) for other in totals)


@SETTINGS
@given(**CASES, step=st.integers(2, 100_000))
def test_a_contracts_step_rounds_everything_and_keeps_totals_equal(
    seed: int, one: bool, zero_as_missing: bool, use_missing: bool, step: int
) -> None:
    """Sums are multiples of the step, the same in total at every detail, and off by half a step a rounding at most."""
    booster, features, values = grow(seed, one=one, zero_as_missing=zero_as_missing, use_missing=use_missing)
    model = make_model(read_lightgbm(booster.dump_model()), features, one=one)
    frame = as_text(values, features)
    public = frame.select([f.name for f in model.public_features])
    bank = frame.select([f.name for f in model.bank_features])
    expected = np.asarray(booster.predict(values, raw_score=True))
    totals = []
    for detail in (
        ResultDetail.TOTAL,
        ResultDetail.DIMENSIONS,
        *((ResultDetail.FEATURES, ResultDetail.FULL) if one else ()),
    ):
        sheet = model.sheet(detail)
        score_weights = model.score_weights(public, detail, step=step)
        assert not (score_weights.weights % step).any() and not (score_weights.base % step).any()
        sums = score_weights.apply_to_indicators(sheet.compute_indicators(bank))
        assert np.abs(sums).max(initial=0) <= model.value_bound(detail, step=step)
        outcome = interpret_sums(sheet, sums)
        assert np.abs(outcome.raw - expected).max() <= model.error_bound_at(step) <= sheet.error_bound * step
        totals.append(outcome.raw)
    assert all(np.array_equal(totals[0], other) for other in totals)


@SETTINGS
@given(**CASES)
def test_a_saved_model_gives_the_same_terms(seed: int, one: bool, zero_as_missing: bool, use_missing: bool) -> None:
    booster, features, values = grow(seed, one=one, zero_as_missing=zero_as_missing, use_missing=use_missing)
    model = make_model(read_lightgbm(booster.dump_model()), features, one=one)
    again = serialization.load_model(serialization.serialize_model(model))
    assert serialization.serialize_model(again) == serialization.serialize_model(model)
    split = len(model.public_features)
    for detail in (ResultDetail.TOTAL, ResultDetail.DIMENSIONS):
        before, after = (m.score_weights_from_encoded(values[:, :split], detail) for m in (model, again))
        assert np.array_equal(before.weights, after.weights) and np.array_equal(before.base, after.base)
        assert before.outputs == after.outputs and np.array_equal(before.columns, after.columns)
        assert again.sheet(detail).to_json() == model.sheet(detail).to_json()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_dimension_parts_follow_the_path(seed: int) -> None:
    """Each split's change goes to its feature's dimension, seen row by row along the tree."""
    booster, features, values = grow(seed, one=True, zero_as_missing=False, use_missing=True)
    model = make_model(read_lightgbm(booster.dump_model()), features, one=True)
    split = len(model.public_features)
    sheet = model.sheet(ResultDetail.DIMENSIONS)
    sums = model.score_weights_from_encoded(values[:, :split], ResultDetail.DIMENSIONS).apply_to_indicators(
        model.indicators_from_encoded(values[:, split:])
    )
    expected = {code: np.zeros(len(values)) for code in DIMENSION_CODES}
    for tree, means in zip(model.forest.trees, model.forest.node_means, strict=True):
        for row in range(len(values)):
            at = 0
            while (node := tree[at]).split is not None:
                left = node.split.goes_left(values[row : row + 1, node.split.feature])[0]
                after = node.left if left else node.right
                expected[features[node.split.feature].dimension][row] += means[after] - means[at]
                at = after
    slack = 3 * model.quantum * (model.rounding_count + 1) + 1e-9
    for output, row in zip(sheet.outputs, sums, strict=True):
        assert np.abs(row * model.quantum - expected.pop(output.key)).max() <= slack
    assert all(not part.any() for part in expected.values())
