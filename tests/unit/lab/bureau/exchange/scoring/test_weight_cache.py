"""Kept terms are the model's own, whatever was asked before, and are made once a row while they fit the budget."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from lab.bureau.exchange.scoring.weight_cache import WeightCache, WeightCacheKey
from lab.simulation.bench.synthetic_firms import make_firms
from lab.terms.contract.document import ResultDetail
from models.bureau.training.trainer import train_model

ROWS = 900


@pytest.fixture(scope="module")
def firms():
    return make_firms(ROWS, 6)


@pytest.fixture(scope="module")
def model(firms):
    return train_model(firms.public, firms.bank, firms.label, trees=8).model


class Register:
    """The register's columns, and how many rows of it were read so far."""

    def __init__(self, public: pl.DataFrame) -> None:
        self.public, self.read = public, 0

    def __call__(self, rows):
        self.read += len(rows)
        return self.public[rows]


def about(detail: ResultDetail, step: int = 1, version: int = 1) -> WeightCacheKey:
    return WeightCacheKey("register", version, ROWS, "0" * 64, detail, step)


def same(one, other) -> bool:
    pairs = ((one.columns, other.columns), (one.weights, other.weights), (one.base, other.base))
    return one.outputs == other.outputs and all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("detail", list(ResultDetail))
def test_terms_are_the_models_own_and_rows_are_read_once(firms, model, detail):
    kept, register = WeightCache(), Register(firms.public)
    rows = np.random.default_rng(1).permutation(ROWS)
    for part in (rows[:500], rows[300:800], rows[:800][::-1], rows):
        assert same(kept.weights(about(detail), model, part, register), model.score_weights(firms.public[part], detail))
    assert register.read == ROWS


def test_another_step_or_register_version_is_another_table(firms, model):
    kept, register, rows = WeightCache(), Register(firms.public), np.arange(100)
    kept.weights(about(ResultDetail.TOTAL), model, rows, register)
    coarse = kept.weights(about(ResultDetail.TOTAL, step=64), model, rows, register)
    assert (
        same(coarse, model.score_weights(firms.public[rows], ResultDetail.TOTAL, step=64))
        and not (coarse.weights % 64).any()
    )
    newer = Register(firms.public.reverse())
    found = kept.weights(about(ResultDetail.TOTAL, version=2), model, rows, newer)
    assert same(found, model.score_weights(firms.public.reverse()[rows], ResultDetail.TOTAL))
    assert register.read == 200 and newer.read == 100


def test_the_budget_holds(firms, model):
    size = ROWS * (4 * (model.column_count + 1) + 1)
    register, rows = Register(firms.public), np.arange(50)
    kept = WeightCache(budget=size)
    for version in (1, 1, 2, 2, 1):  # the second table takes the first one's place
        kept.weights(about(ResultDetail.TOTAL, version=version), model, rows, register)
    assert register.read == 150
    small = WeightCache(budget=size - 1)
    for _ in range(2):
        found = small.weights(about(ResultDetail.TOTAL), model, rows, register)
        assert same(found, model.score_weights(firms.public[rows], ResultDetail.TOTAL))
    assert register.read == 250
