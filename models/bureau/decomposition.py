"""From a forest to columns and their weights (``ColumnWeights``).

A path from root to leaf begins with public splits, up to the first bank split. What they add to the score depends on
public records alone and goes to the base. What the rest of the path adds is the weight of the leaf's two conditions,
one on bank features and one on public features.

The change of a score at a split belongs to the dimension of the split's feature (path attribution over cover-weighted
node means). So the parts of a leaf add up to its value less the root's, and the roots add up to the intercept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.terms.errors import InvalidInput
from models.bureau.binning import Outcomes, derive_binning
from models.bureau.column_weights import ColumnWeights
from models.bureau.forest import Forest, Split
from models.shared.columns import MAX_COLUMNS, Binning, IndicatorColumn
from models.shared.features import Feature

if TYPE_CHECKING:
    import scipy.sparse as sp

Step = tuple[Split, bool, float]
"""A split on a path, whether the path goes left, and the change of the node means."""


def decompose_forest(
    forest: Forest, features: Sequence[Feature], dimensions: Sequence[int], *, one_bank_feature: bool
) -> ColumnWeights:
    """The columns and weights of a forest. ``features``: public ones first, then the bank's.

    ``dimensions[feature]`` is the index of a feature's dimension. ``one_bank_feature``: every column is a single bin of
    one feature; raises ``InvalidInput`` if a path tests two bank features. Otherwise a column is a conjunction, as the
    leaves need it.
    """
    return _ForestDecomposer(forest, features, dimensions, one_bank_feature).build()


class _ForestDecomposer:
    """Collects the entries of the matrices leaf by leaf."""

    def __init__(
        self, forest: Forest, features: Sequence[Feature], dimensions: Sequence[int], one_bank_feature: bool
    ) -> None:
        self.forest, self.features, self.dimensions = forest, features, dimensions
        self.one_bank_feature = one_bank_feature
        self.public_count = sum(feature.party == "bureau" for feature in features)
        self.public_splits: dict[Split, int] = {}
        self.chain: dict[tuple[int, int, bool], int] = {}
        self.columns: dict[IndicatorColumn, int] = {}
        self.column_entries: dict[tuple[int, int], float] = defaultdict(float)  # (column, condition)
        self.dimension_entries: dict[tuple[int, int, int], float] = defaultdict(float)  # (column, dimension, condition)
        self.base_entries: dict[tuple[int, int], float] = defaultdict(float)  # (0, condition)
        self.base_dimension_entries: dict[tuple[int, int], float] = defaultdict(float)  # (dimension, condition)
        self._bin_bank_features()

    def _bin_bank_features(self) -> None:
        splits: dict[int, dict[Split, int]] = defaultdict(dict)
        for tree in self.forest.trees:
            for node in tree:
                if node.split is not None and node.split.feature >= self.public_count:
                    splits[node.split.feature].setdefault(node.split, len(splits[node.split.feature]))
        self.binnings: list[Binning] = []
        self.bin_outcomes: dict[int, list[Outcomes]] = {}
        self.binning_of: dict[int, int] = {}
        self.bank_splits = splits
        for feature in sorted(splits):
            kind = self.features[feature]
            binning, outcomes = derive_binning(
                feature - self.public_count,
                list(splits[feature]),
                len(kind.categories) if kind.kind == "categorical" else None,
            )
            self.binning_of[feature] = len(self.binnings)
            self.binnings.append(binning)
            self.bin_outcomes[feature] = outcomes

    def build(self) -> ColumnWeights:
        reach = [0.0] * len(self.forest.trees)
        seen: set[tuple[int, int]] = set()
        for number, path, leaf in self.forest.leaf_paths():
            steps = self._steps(number, path, leaf)
            reach[number] = max(reach[number], sum(abs(change) for _, _, change in steps))
            first = next((i for i, step in enumerate(steps) if step[0].feature >= self.public_count), len(steps))
            frontier = path[first][0] if first < len(path) else leaf
            if (number, frontier) not in seen:  # many leaves share the public splits before the first bank split
                seen.add((number, frontier))
                self._add_base(steps[:first])
            if first < len(steps):
                self._add_leaf(steps, first)
        return self._finish(sum(reach))

    def _steps(self, number: int, path: Sequence[tuple[int, bool]], leaf: int) -> list[Step]:
        means, tree = self.forest.node_means[number], self.forest.trees[number]
        nodes, steps = [*(position for position, _ in path), leaf], list[Step]()
        for (position, left), after in zip(path, nodes[1:], strict=True):
            split = tree[position].split
            if split is not None:
                steps.append((split, left, means[after] - means[position]))
        return steps

    def _add_base(self, steps: Sequence[Step]) -> None:
        if steps:
            condition = self._condition([(split, left) for split, left, _ in steps])
            for dimension, change in self._by_dimension(steps).items():
                self.base_dimension_entries[dimension, condition] += change
            self.base_entries[0, condition] += sum(change for _, _, change in steps)

    def _add_leaf(self, steps: Sequence[Step], first: int) -> None:
        allowed = self._allowed_bins(steps)
        if not all(allowed.values()):
            return  # a leaf that no value reaches
        condition = self._condition([(split, left) for split, left, _ in steps if split.feature < self.public_count])
        by_dimension = self._by_dimension(steps[first:])
        change = sum(step[2] for step in steps[first:])
        for column in self._columns(allowed):
            self.column_entries[column, condition] += change
            for dimension, part in by_dimension.items():
                self.dimension_entries[column, dimension, condition] += part

    def _allowed_bins(self, steps: Sequence[Step]) -> dict[int, set[int]]:
        """For each bank feature on a path, the bins whose values pass all of its splits."""
        allowed: dict[int, set[int]] = {}
        for split, left, _ in steps:
            if split.feature >= self.public_count:
                place = self.bank_splits[split.feature][split]
                outcomes = self.bin_outcomes[split.feature]
                passing = {number for number, outcome in enumerate(outcomes) if outcome[place] == left}
                allowed[split.feature] = allowed.get(split.feature, passing) & passing
        return allowed

    def _columns(self, allowed: Mapping[int, set[int]]) -> list[int]:
        if self.one_bank_feature:
            if len(allowed) > 1:
                raise InvalidInput(
                    "Expected a model with one bank feature a path; found a path that tests several.",
                    next_step="train with --interactions one, or declare the model free",
                )
            ((feature, bins),) = allowed.items()
            columns = [IndicatorColumn(tests=((self.binning_of[feature], (number,)),)) for number in sorted(bins)]
        else:
            conjunction = sorted((self.binning_of[feature], tuple(sorted(bins))) for feature, bins in allowed.items())
            columns = [IndicatorColumn(tests=tuple(conjunction))]
        return [self.columns.setdefault(column, len(self.columns)) for column in columns]

    def _condition(self, literals: Sequence[tuple[Split, bool]]) -> int:
        """Number of a public condition; 0 is "always". Literals are ordered, so that conditions share beginnings."""
        numbered = {(self.public_splits.setdefault(split, len(self.public_splits)), left) for split, left in literals}
        condition = 0
        for split, left in sorted(numbered):
            condition = self.chain.setdefault((condition, split, left), len(self.chain) + 1)
        return condition

    def _by_dimension(self, steps: Sequence[Step]) -> dict[int, float]:
        parts: dict[int, float] = defaultdict(float)
        for split, _, change in steps:
            parts[self.dimensions[split.feature]] += change
        return parts

    def _finish(self, reach: float) -> ColumnWeights:
        if len(self.columns) > MAX_COLUMNS:
            raise InvalidInput(
                f"Expected a model of at most {MAX_COLUMNS} columns; this one needs {len(self.columns)}.",
                next_step="train with --interactions one, or with fewer bank features",
            )
        # Columns are ordered by feature and bin, not by appearance, so their order shows nothing of the trees.
        order = sorted(self.columns, key=lambda column: column.tests)
        rank = {self.columns[column]: place for place, column in enumerate(order)}
        first_features = [self.binnings[column.tests[0][0]].feature for column in order]
        dimensions = [self.dimensions[self.public_count + feature] for feature in first_features]
        features = [f if len(c.tests) == 1 else -1 for f, c in zip(first_features, order, strict=True)]
        places = defaultdict(list)
        for place, feature in enumerate(features):
            places[feature].append(place)
        pairs = self._pairs(rank, dimensions, features, places)
        conditions = len(self.chain) + 1
        return ColumnWeights(
            binnings=tuple(self.binnings),
            columns=tuple(order),
            column_features=tuple(features),
            column_dimensions=tuple(dimensions),
            column_dimension_pairs=tuple(pairs),
            implied_columns=self._implied(places),
            public_splits=tuple(self.public_splits),
            condition_chain=tuple(self.chain),
            column_matrix=_matrix(
                {(rank[c], k): v for (c, k), v in self.column_entries.items()}, len(order), conditions
            ),
            dimension_matrix=_matrix(self._pair_entries(rank, pairs), len(pairs), conditions),
            base_matrix=_matrix(self.base_entries, 1, conditions),
            base_dimension_matrix=_matrix(self.base_dimension_entries, max(self.dimensions, default=0) + 1, conditions),
            base_dimension=self._base_dimension(),
            score_bound=reach,
        )

    def _pairs(
        self,
        rank: Mapping[int, int],
        dimensions: Sequence[int],
        features: Sequence[int],
        places: Mapping[int, list[int]],
    ) -> list[tuple[int, int]]:
        """The (column, dimension) pairs other than a column's own dimension, sorted."""
        pairs = {
            (rank[c], d) for (c, d, _), value in self.dimension_entries.items() if value and d != dimensions[rank[c]]
        }
        if self.one_bank_feature:
            pairs |= {(place, d) for column, d in pairs for place in places[features[column]]}
        return sorted(pairs)

    def _pair_entries(self, rank: Mapping[int, int], pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], float]:
        """The entries of the dimension matrix, by (pair, condition)."""
        places = {pair: place for place, pair in enumerate(pairs)}
        return {(places[rank[c], d], k): v for (c, d, k), v in self.dimension_entries.items() if (rank[c], d) in places}

    def _implied(self, places: Mapping[int, list[int]]) -> tuple[int, ...]:
        """The first column of each feature all of whose bins are columns; none in a free model."""
        return tuple(
            places[binning.feature][0]
            for binning in self.binnings
            if self.one_bank_feature and len(places[binning.feature]) == binning.bin_count
        )

    def _base_dimension(self) -> int:
        """The dimension with the largest entries in the base."""
        size: dict[int, float] = defaultdict(float)
        for (dimension, _), value in self.base_dimension_entries.items():
            size[dimension] += abs(value)
        return max(sorted(size), key=lambda d: size[d], default=min(self.dimensions, default=0))


def _matrix(entries: Mapping[tuple[int, int], float], rows: int, columns: int) -> sp.csr_matrix:
    from scipy.sparse import csr_matrix  # takes 0.2 s to load, which a service that evaluates nothing saves

    keys = sorted(entries)
    values = np.asarray([entries[key] for key in keys], dtype=np.float64)
    at = np.asarray(keys, dtype=np.int64).reshape(-1, 2)
    return csr_matrix((values, (at[:, 0], at[:, 1])), shape=(rows, columns))
