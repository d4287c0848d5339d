"""A forest as columns: ``raw = intercept + base(public) + sum over columns of answer(bank) * W(public)``, exactly.

Every leaf is reached under a condition on bank features and a condition on public features. Along a path, what public
questions say before the first bank question depends on public records alone and goes to the base; what follows is added
under the leaf's two conditions. A score's change at a split belongs to the split's feature's dimension (path
attribution over cover-weighted node means), so the parts of a leaf add up to its value less the root's, and the roots
add up to the intercept.

``W`` is a sparse matrix over distinct public conditions, each condition evaluated once for all rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.terms.errors import InvalidInput
from models.bureau.forest import Forest, Split
from models.shared.columns import MAX_COLUMNS, ZERO_THRESHOLD, Binning, IndicatorColumn
from models.shared.features import Feature

if TYPE_CHECKING:
    import scipy.sparse as sp

CHUNK_ROWS = 512  # rows at a time: keeps the conditions of a chunk in the processor's cache
PublicCondition = tuple[tuple[Split, bool], ...]
DimensionParts = dict[int, float]


@dataclass(frozen=True)
class ColumnWeights:
    """The columns of a forest and the sparse matrices that turn public conditions into their weights.

    Columns: ``columns`` over ``binnings``; ``own_feature`` (index into bank features, -1 where a column joins several)
    and ``own_dimension`` [columns]. ``pairs`` are the (column, dimension) pairs beside a column's own dimension; where
    one column of a feature has one, all of that feature do. ``implied``: the columns that need no answer, since exactly
    one column of their feature holds for any record, so the others tell; one for each feature whose bins all have one.
    Matrices over K public conditions: ``total`` [columns, K], ``parts`` [pairs, K], ``base_total`` [1, K],
    ``base_parts`` [dimensions, K]. ``base_dimension`` takes the rounding residue of the base. ``reach`` bounds every
    sum of parts of a score: the sum over trees of the largest absolute path. Row k + 1 of ``chain`` is condition k: an
    earlier condition (0 is "always"), a public question and the answer it wants.
    """

    binnings: tuple[Binning, ...]
    columns: tuple[IndicatorColumn, ...]
    column_features: tuple[int, ...]
    column_dimensions: tuple[int, ...]
    column_dimension_pairs: tuple[tuple[int, int], ...]
    implied_columns: tuple[int, ...]
    public_splits: tuple[Split, ...]
    condition_chain: tuple[tuple[int, int, bool], ...]
    column_matrix: sp.csr_matrix
    dimension_matrix: sp.csr_matrix
    base_matrix: sp.csr_matrix
    base_dimension_matrix: sp.csr_matrix
    base_dimension: int
    score_bound: float

    def split_outcomes(self, public: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Each public question once, and its opposite: bool [2 * questions, rows], from ``public`` [rows, features]."""
        literals = np.empty((2 * len(self.public_splits), len(public)), dtype=bool)
        for number, test in enumerate(self.public_splits):
            literals[number] = test.goes_left(public[:, test.feature])
        np.logical_not(literals[: len(self.public_splits)], out=literals[len(self.public_splits) :])
        return literals

    def evaluate_conditions(self, literals: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Which public conditions hold: float64 [K, rows] of 0 and 1, from ``outcomes`` of (some) rows."""
        holds = np.ones((len(self.condition_chain) + 1, literals.shape[1]), dtype=bool)
        for numbers, parents, asked in self._levels:
            holds[numbers] = holds[parents] & literals[asked]
        return holds.astype(np.float64)

    @cached_property
    def _levels(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """The chain by depth, so that all conditions of one length are made at once: (condition, parent, literal)."""
        depth = [0]
        levels: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for number, (parent, test, left) in enumerate(self.condition_chain, start=1):
            depth.append(depth[parent] + 1)
            levels[depth[number]].append((number, parent, test if left else test + len(self.public_splits)))
        return [tuple(np.asarray(rows, dtype=np.intp).T) for _, rows in sorted(levels.items())]


def decompose_forest(
    forest: Forest, features: Sequence[Feature], dimensions: Sequence[int], *, one: bool
) -> ColumnWeights:
    """Take a forest apart. ``features``: public ones first, then the bank's; ``dimensions[feature]`` is an index.

    ``one``: every column is a single bin of one feature; raises ``InvalidInput`` if a path tests two bank features.
    Otherwise a column is a conjunction as leaves need it.
    """
    return _ColumnWeightsBuilder(forest, features, dimensions, one).build()


def derive_binning(
    feature: int, tests: Sequence[Split], categories: int | None
) -> tuple[Binning, list[tuple[bool, ...]]]:
    """The bins that ``tests`` (all of one feature) tell apart, and for each bin the outcome of each test.

    ``feature`` is the index written into the binning; ``categories`` is their number, or None for a numeric feature.
    """
    if categories is not None:
        cuts: list[float] = []
        cells = [tuple(code in (test.categories or ()) for test in tests) for code in range(categories + 1)]
        zero = absent = tuple(False for _ in tests)  # missing is in no set; zero is a code like any other
    else:
        cuts = sorted({test.threshold for test in tests})
        plain_zero = tuple(test.threshold >= 0.0 for test in tests)
        zero = tuple(t.default_left if t.missing == "zero" else p for t, p in zip(tests, plain_zero, strict=True))
        absent = tuple(p if t.missing == "none" else t.default_left for t, p in zip(tests, plain_zero, strict=True))
        cells = [tuple(cut <= test.threshold for test in tests) for cut in cuts] + [tuple(False for _ in tests)]
        lows = [-np.inf, *cuts]
        for cell, cut in enumerate(cuts):
            if lows[cell] >= -ZERO_THRESHOLD and cut <= ZERO_THRESHOLD and lows[cell] < 0.0 <= cut:
                cells[cell] = zero  # the cell holds zero and nothing else
    numbers: dict[tuple[bool, ...], int] = {}
    for outcome in [*cells, absent]:
        numbers.setdefault(outcome, len(numbers))
    apart = categories is None and cells[int(np.searchsorted(cuts, 0.0, side="left"))] != zero
    if apart:
        numbers.setdefault(zero, len(numbers))
    binning = Binning(
        feature=feature,
        cuts=tuple(cuts),
        cells=tuple(numbers[cell] for cell in cells),
        missing=numbers[absent],
        zero=numbers[zero] if apart else None,
    )
    return binning, list(numbers)


class _ColumnWeightsBuilder:
    """Collects the entries of the matrices leaf by leaf."""

    def __init__(self, forest: Forest, features: Sequence[Feature], dimensions: Sequence[int], one: bool) -> None:
        self.forest, self.features, self.dimensions, self.one = forest, features, dimensions, one
        self.public_count = sum(feature.party == "bureau" for feature in features)
        self.tests: dict[Split, int] = {}
        self.chain: dict[tuple[int, int, bool], int] = {}
        self.columns: dict[IndicatorColumn, int] = {}
        self.total: dict[tuple[int, int], float] = defaultdict(float)
        self.parts: dict[tuple[int, int, int], float] = defaultdict(float)  # (column, dimension, condition)
        self.base_total: dict[tuple[int, int], float] = defaultdict(float)
        self.base_parts: dict[tuple[int, int], float] = defaultdict(float)
        self._bin_bank_features()

    def _bin_bank_features(self) -> None:
        asked: dict[int, dict[Split, int]] = defaultdict(dict)
        for tree in self.forest.trees:
            for node in tree:
                if node.split is not None and node.split.feature >= self.public_count:
                    asked[node.split.feature].setdefault(node.split, len(asked[node.split.feature]))
        self.binnings: list[Binning] = []
        self.bin_outcomes: dict[int, list[tuple[bool, ...]]] = {}
        self.binning_of: dict[int, int] = {}
        self.asked = asked
        for feature in sorted(asked):
            kind = self.features[feature]
            binning, outcomes = derive_binning(
                feature - self.public_count,
                list(asked[feature]),
                len(kind.categories) if kind.kind == "categorical" else None,
            )
            self.binning_of[feature] = len(self.binnings)
            self.binnings.append(binning)
            self.bin_outcomes[feature] = outcomes

    def build(self) -> ColumnWeights:
        reach = [0.0] * len(self.forest.trees)
        seen: set[tuple[int, int]] = set()
        for number, path, leaf in self.forest.leaf_paths():
            means, tree = self.forest.node_means[number], self.forest.trees[number]
            steps: list[tuple[Split, bool, float]] = []
            for place, (position, left) in enumerate(path):
                after = path[place + 1][0] if place + 1 < len(path) else leaf
                test = tree[position].split
                if test is not None:
                    steps.append((test, left, means[after] - means[position]))
            reach[number] = max(reach[number], sum(abs(change) for _, _, change in steps))
            first = next((i for i, step in enumerate(steps) if step[0].feature >= self.public_count), len(steps))
            frontier = path[first][0] if first < len(path) else leaf
            if (number, frontier) not in seen:  # many leaves share what was said before the first bank question
                seen.add((number, frontier))
                self._add_base(steps[:first])
            if first < len(steps):
                self._add_leaf(steps, first)
        return self._finish(sum(reach))

    def _add_base(self, steps: Sequence[tuple[Split, bool, float]]) -> None:
        if steps:
            condition = self._condition([(test, left) for test, left, _ in steps])
            for dimension, change in self._by_dimension(steps).items():
                self.base_parts[dimension, condition] += change
            self.base_total[0, condition] += sum(change for _, _, change in steps)

    def _add_leaf(self, steps: Sequence[tuple[Split, bool, float]], first: int) -> None:
        allowed: dict[int, set[int]] = {}
        for test, left, _ in steps:
            if test.feature >= self.public_count:
                place = self.asked[test.feature][test]
                outcomes = self.bin_outcomes[test.feature]
                passing = {number for number, outcome in enumerate(outcomes) if outcome[place] == left}
                allowed[test.feature] = allowed.get(test.feature, passing) & passing
        if not all(allowed.values()):
            return  # a leaf that no value reaches
        condition = self._condition([(t, left) for t, left, _ in steps if t.feature < self.public_count])
        by_dimension = self._by_dimension(steps[first:])
        change = sum(step[2] for step in steps[first:])
        for column in self._columns(allowed):
            self.total[column, condition] += change
            for dimension, part in by_dimension.items():
                self.parts[column, dimension, condition] += part

    def _columns(self, allowed: Mapping[int, set[int]]) -> list[int]:
        if self.one:
            if len(allowed) > 1:
                raise InvalidInput(
                    "Wanted a model with one bank feature a path; found a path that tests several.",
                    next_step="train with --interactions one, or declare the model free",
                )
            ((feature, bins),) = allowed.items()
            wanted = [IndicatorColumn(tests=((self.binning_of[feature], (number,)),)) for number in sorted(bins)]
        else:
            conjunction = sorted((self.binning_of[feature], tuple(sorted(bins))) for feature, bins in allowed.items())
            wanted = [IndicatorColumn(tests=tuple(conjunction))]
        return [self.columns.setdefault(column, len(self.columns)) for column in wanted]

    def _condition(self, literals: Sequence[tuple[Split, bool]]) -> int:
        """Number of a public condition; 0 is "always". Literals are ordered, so that conditions share beginnings."""
        numbered = {(self.tests.setdefault(test, len(self.tests)), left) for test, left in literals}
        condition = 0
        for test, left in sorted(numbered):
            condition = self.chain.setdefault((condition, test, left), len(self.chain) + 1)
        return condition

    def _by_dimension(self, steps: Sequence[tuple[Split, bool, float]]) -> DimensionParts:
        parts: DimensionParts = defaultdict(float)
        for test, _, change in steps:
            parts[self.dimensions[test.feature]] += change
        return parts

    def _finish(self, reach: float) -> ColumnWeights:
        if len(self.columns) > MAX_COLUMNS:
            raise InvalidInput(
                f"Wanted a model of at most {MAX_COLUMNS} columns; this one needs {len(self.columns)}.",
                next_step="train with --interactions one, or with fewer bank features",
            )
        # Columns in order of feature and bin, not of appearance: the order tells nothing about the trees.
        order = sorted(self.columns, key=lambda column: column.tests)
        rank = {self.columns[column]: place for place, column in enumerate(order)}
        features = [self.binnings[column.tests[0][0]].feature for column in order]
        own = [self.dimensions[self.public_count + feature] for feature in features]
        own_feature = [f if len(c.tests) == 1 else -1 for f, c in zip(features, order, strict=True)]
        places = defaultdict(list)
        for place, feature in enumerate(own_feature):
            places[feature].append(place)
        beside = {(rank[c], d) for (c, d, _), v in self.parts.items() if v and d != own[rank[c]]}
        if self.one:
            beside |= {(place, d) for c, d in beside for place in places[own_feature[c]]}
        pairs = sorted(beside)
        pair_rank = {pair: place for place, pair in enumerate(pairs)}
        parts = {(pair_rank[rank[c], d], k): v for (c, d, k), v in self.parts.items() if (rank[c], d) in pair_rank}
        weight: dict[int, float] = defaultdict(float)
        for (dimension, _), value in self.base_parts.items():
            weight[dimension] += abs(value)
        size = len(self.chain) + 1
        return ColumnWeights(
            binnings=tuple(self.binnings),
            columns=tuple(order),
            column_features=tuple(own_feature),
            column_dimensions=tuple(own),
            column_dimension_pairs=tuple(pairs),
            implied_columns=tuple(
                places[binning.feature][0]
                for binning in self.binnings
                if self.one and len(places[binning.feature]) == binning.bin_count
            ),
            public_splits=tuple(self.tests),
            condition_chain=tuple(self.chain),
            column_matrix=_matrix({(rank[c], k): v for (c, k), v in self.total.items()}, len(order), size),
            dimension_matrix=_matrix(parts, len(pairs), size),
            base_matrix=_matrix(self.base_total, 1, size),
            base_dimension_matrix=_matrix(self.base_parts, max(self.dimensions, default=0) + 1, size),
            base_dimension=max(sorted(weight), key=lambda d: weight[d], default=min(self.dimensions, default=0)),
            score_bound=reach,
        )


def _matrix(entries: Mapping[tuple[int, int], float], rows: int, columns: int) -> sp.csr_matrix:
    from scipy.sparse import csr_matrix  # 0.2 s to load, which a service that evaluates nothing does without

    keys = sorted(entries)
    values = np.asarray([entries[key] for key in keys], dtype=np.float64)
    at = np.asarray(keys, dtype=np.int64).reshape(-1, 2)
    return csr_matrix((values, (at[:, 0], at[:, 1])), shape=(rows, columns))
