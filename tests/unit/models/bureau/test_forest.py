"""Forests: unsupported models are refused, and node means are weighted by cover."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from lab.terms.errors import InvalidInput
from models.bureau.decomposition import decompose_forest
from models.bureau.forest import Forest, Node, Split, check_forest, read_lightgbm
from models.shared.features import Feature

ASKED = Split(feature=0, threshold=0.5, missing="nan", default_left=True)
TREE = (Node(0.0, split=ASKED, left=1, right=2), Node(3.0, value=1.0), Node(1.0, value=-3.0))


def fit(**params: Any) -> lgb.Booster:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 3))
    label = rng.integers(0, params.get("num_class", 2), 200)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 4, **params}
    return lgb.train(settings, lgb.Dataset(values, label), 3)


def test_the_mean_of_a_node_is_weighted_by_the_cover_of_its_leaves() -> None:
    forest = Forest((TREE, (Node(0.0, value=0.25),)), bias=2.0)
    assert forest.node_means == ((0.0, 1.0, -3.0), (0.25,))
    assert forest.intercept == 2.25
    assert forest.raw_scores(np.asarray([[0.0], [1.0], [np.nan]])).tolist() == [3.25, -0.75, 3.25]


def test_without_cover_all_leaves_have_the_same_weight() -> None:
    bare = (Node(0.0, split=ASKED, left=1, right=2), Node(0.0, value=1.0), Node(0.0, value=-3.0))
    assert Forest((bare,)).node_means == ((-1.0, 1.0, -3.0),)


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "multiclass", "num_class": 3},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"linear_tree": True, "objective": "regression"},
    ],
)
def test_models_other_than_a_sum_of_trees_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        read_lightgbm(fit(**params).dump_model())


@pytest.mark.parametrize(
    "tree",
    [
        (Node(0.0, split=ASKED, left=0, right=1), Node(1.0)),  # a loop
        (Node(0.0, split=ASKED, left=1, right=1), Node(1.0)),  # one child twice
        (Node(0.0, split=ASKED, left=1, right=9), Node(1.0)),  # a child that is not there
        (Node(0.0, split=ASKED, left=1, right=2), Node(1.0), Node(1.0), Node(1.0)),  # an orphan
        (Node(1.0, left=1),),  # a leaf with a child
        (Node(0.0, split=Split(7, 0.5, "nan", True), left=1, right=2), Node(1.0), Node(1.0)),
        (Node(0.0, split=Split(0, 0.0, "nan", True, (1,)), left=1, right=2), Node(1.0), Node(1.0)),
        (Node(0.0, split=Split(1, 0.0, "nan", True, (5,)), left=1, right=2), Node(1.0), Node(1.0)),
    ],
)
def test_a_malformed_tree_is_refused(tree: tuple[Node, ...]) -> None:
    check_forest(Forest((TREE,)), (None, 4), of="a model")
    with pytest.raises(InvalidInput):
        check_forest(Forest((tree,)), (None, 4), of="a model")


def test_a_path_over_two_bank_features_is_refused_where_one_is_declared() -> None:
    bank = [Feature(name, "bank", "numeric", (), "conduct", name, name) for name in ("a", "b")]
    deeper = Node(0.0, split=Split(1, 0.0, "nan", False), left=3, right=4)
    tree = (Node(0.0, split=ASKED, left=1, right=2), deeper, Node(1.0), Node(1.0, value=1.0), Node(1.0))
    with pytest.raises(InvalidInput, match="one bank feature a path"):
        decompose_forest(Forest((tree,)), bank, [0, 0], one_bank_feature=True)
    assert len(decompose_forest(Forest((tree,)), bank, [0, 0], one_bank_feature=False).columns) == 3
