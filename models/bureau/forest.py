"""A forest as plain data: parsed from LightGBM once, then evaluated and decomposed by this package.

The semantics are LightGBM's (``include/LightGBM/tree.h``, ``NumericalDecision`` and ``CategoricalDecision``):

* numeric, goes left if ``value <= threshold``; a value within +-1e-35 is zero;
* missing type ``none``: a missing value counts as zero; ``zero``: zero and missing go the default way;
  ``nan``: missing goes the default way;
* categorical, goes left if the category is in the set; missing, unseen and negative go right.

A tree is a tuple of nodes; a node's children come after it, so one pass in order visits parents first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.errors import InvalidInput
from models.shared.canonical_json import STRICT_CONFIG, require
from models.shared.columns import ZERO_THRESHOLD
from models.shared.features import MAX_CATEGORIES

MAX_NODES = 400_000
MISSING_TYPES: dict[str, Literal["none", "zero", "nan"]] = {"None": "none", "Zero": "zero", "NaN": "nan"}
NO_CHILD = -1


@dataclass(frozen=True)
class Split:
    """The test of one feature at an inner node. ``categories``: the codes that go left, None for a numeric feature."""

    feature: Annotated[int, Field(ge=0, lt=10_000)]
    threshold: float
    missing: Literal["none", "zero", "nan"]
    default_left: bool
    categories: Annotated[tuple[int, ...], Field(max_length=MAX_CATEGORIES + 1)] | None = None

    __pydantic_config__ = STRICT_CONFIG

    def goes_left(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of ``values``, float64 [rows] with NaN for missing, go left: bool [rows]."""
        missing = np.isnan(values)
        if self.categories is not None:
            # A missing value is no category: -1 is in no set.
            return np.isin(np.trunc(np.where(missing, -1.0, values)), np.asarray(self.categories, dtype=np.float64))
        small = np.abs(values) <= ZERO_THRESHOLD
        left = np.where(small | missing, 0.0, values) <= self.threshold
        if self.missing == "none":
            return left
        default = missing | small if self.missing == "zero" else missing
        return np.where(default, self.default_left, left)


@dataclass(frozen=True)
class Node:
    """A leaf (``split`` is None) with its value, or an inner node with the positions of its two children.

    ``cover``: how many training rows reach a leaf.
    """

    cover: Annotated[float, Field(ge=0)]
    value: float = 0.0
    split: Split | None = None
    left: int = NO_CHILD
    right: int = NO_CHILD

    __pydantic_config__ = STRICT_CONFIG


@dataclass(frozen=True)
class Forest:
    """Trees whose leaf values add up, and a constant: ``raw = bias + sum over trees of the value of the leaf reached``.

    ``trees[k]`` are the nodes of tree k, root first.
    """

    trees: Annotated[
        tuple[Annotated[tuple[Node, ...], Field(min_length=1, max_length=10_000)], ...], Field(max_length=20_000)
    ]
    bias: float = 0.0

    __pydantic_config__ = STRICT_CONFIG

    @cached_property
    def node_means(self) -> tuple[tuple[float, ...], ...]:
        """For each tree and node the mean of the leaves below it, weighted by cover (evenly without any cover)."""
        return tuple(_node_means(tree) for tree in self.trees)

    @property
    def intercept(self) -> float:
        """The constant part of every score: the bias and the mean of each tree."""
        return self.bias + sum(values[0] for values in self.node_means)

    def raw_scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores in clear, float64 [rows], from ``values`` float64 [rows, features]."""
        raw = np.full(len(values), self.bias)
        outcomes: dict[Split, NDArray[np.bool_]] = {}
        for tree in self.trees:
            reached: dict[int, NDArray[np.intp]] = {0: np.arange(len(values))}
            for position, node in enumerate(tree):
                rows = reached.pop(position)
                if node.split is None:
                    raw[rows] += node.value
                    continue
                if node.split not in outcomes:
                    outcomes[node.split] = node.split.goes_left(values[:, node.split.feature])
                left = outcomes[node.split][rows]
                reached[node.left], reached[node.right] = rows[left], rows[~left]
        return raw

    def leaf_paths(self) -> Iterator[tuple[int, tuple[tuple[int, bool], ...], int]]:
        """Every leaf as (tree, path, leaf). The path has a (node, goes left) pair for each inner node from the root."""
        for number, tree in enumerate(self.trees):
            above: dict[int, tuple[tuple[int, bool], ...]] = {0: ()}
            for position, node in enumerate(tree):
                path = above.pop(position)
                if node.split is None:
                    yield number, path, position
                else:
                    above[node.left] = (*path, (position, True))
                    above[node.right] = (*path, (position, False))


def read_lightgbm(dump: Mapping[str, Any]) -> Forest:
    """The forest of ``Booster.dump_model()``, which prints thresholds and values to full precision.

    Raises ``InvalidInput`` unless the model is a sum of trees with constant leaves: for several classes, averaged trees
    and linear trees.
    """
    if dump.get("num_tree_per_iteration", 1) != 1 or dump.get("average_output", False):
        raise InvalidInput(
            "Expected a boosted model with one score; found several classes or averaged trees.",
            next_step="train with one of the families boosted or scorecard",
        )
    return Forest(trees=tuple(_read_tree(info["tree_structure"]) for info in dump["tree_info"]))


def _read_tree(structure: Mapping[str, Any]) -> tuple[Node, ...]:
    nodes: list[Node] = []
    # (entry, parent, is left child). Children are numbered after their parents, so a parent's links are filled later.
    queue: list[tuple[Mapping[str, Any], int, bool]] = [(structure, NO_CHILD, False)]
    links: dict[int, list[int]] = {}
    while queue:
        entry, parent, is_left = queue.pop()
        position = len(nodes)
        if parent != NO_CHILD:
            links[parent][0 if is_left else 1] = position
        if "split_feature" in entry:
            links[position] = [NO_CHILD, NO_CHILD]
            nodes.append(Node(cover=0.0, split=_read_split(entry)))
            queue.append((entry["right_child"], position, False))
            queue.append((entry["left_child"], position, True))
        elif "leaf_coeff" in entry or "leaf_const" in entry:
            raise InvalidInput("Expected trees with constant leaves; found linear ones.")
        else:
            nodes.append(Node(cover=float(entry.get("leaf_count", 0) or 0), value=float(entry["leaf_value"])))
    return tuple(
        Node(cover=n.cover, value=n.value, split=n.split, left=links[i][0], right=links[i][1]) if i in links else n
        for i, n in enumerate(nodes)
    )


def _read_split(entry: Mapping[str, Any]) -> Split:
    categorical = entry["decision_type"] == "=="
    return Split(
        feature=int(entry["split_feature"]),
        threshold=0.0 if categorical else float(entry["threshold"]),
        missing="nan" if categorical else MISSING_TYPES[entry["missing_type"]],
        default_left=False if categorical else bool(entry["default_left"]),
        categories=tuple(int(code) for code in str(entry["threshold"]).split("||")) if categorical else None,
    )


def _node_means(tree: tuple[Node, ...]) -> tuple[float, ...]:
    """The mean of the leaves below each node. Children come after their parents, so one pass from the end suffices."""
    weight, total, leaves = [0.0] * len(tree), [0.0] * len(tree), [0] * len(tree)
    plain = [0.0] * len(tree)
    for position in range(len(tree) - 1, -1, -1):
        node = tree[position]
        if node.split is None:
            weight[position], total[position] = node.cover, node.cover * node.value
            leaves[position], plain[position] = 1, node.value
        else:
            for child in (node.left, node.right):
                weight[position] += weight[child]
                total[position] += total[child]
                leaves[position] += leaves[child]
                plain[position] += plain[child]
    return tuple(
        node.value if node.split is None else (total[i] / weight[i] if weight[i] else plain[i] / leaves[i])
        for i, node in enumerate(tree)
    )


def check_forest(forest: Forest, category_counts: tuple[int | None, ...], *, of: str) -> None:
    """Raise ``InvalidInput`` unless every tree is well formed over the given features; ``of`` names the document.

    ``category_counts[feature]`` is the number of categories, or None for a numeric feature.
    """
    require(sum(len(tree) for tree in forest.trees) <= MAX_NODES, f"at most {MAX_NODES} nodes", of=of)
    for tree in forest.trees:
        children: list[int] = []
        for position, node in enumerate(tree):
            if node.split is None:
                require(node.left == NO_CHILD and node.right == NO_CHILD, "leaves without children", of=of)
                continue
            require(node.left > position and node.right > position, "children after their parents", of=of)
            children += [node.left, node.right]
            require(node.split.feature < len(category_counts), "tests of its own features", of=of)
            count = category_counts[node.split.feature]
            require((count is None) == (node.split.categories is None), "tests that fit their feature's kind", of=of)
            if count is not None and node.split.categories is not None:
                require(all(0 <= code <= count for code in node.split.categories), "known categories", of=of)
        require(sorted(children) == list(range(1, len(tree))), "each node under exactly one parent", of=of)
