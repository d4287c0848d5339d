"""Integer weights for enterprises: what the bureau multiplies under encryption.

Weights and base are real numbers rounded to quanta. All details share one rounding. A column's weight is rounded once;
its parts for other dimensions are rounded each; the rest belongs to the column's own dimension. So totals are the same
integers at every detail, and subtotals add up exactly. If a contract asks for coarser steps than one quantum,
everything is rounded to multiples of the step in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.terms.contract.document import ResultDetail
from models.bureau.column_weights import CHUNK_ROWS, ColumnWeights
from models.shared.dimensions import DIMENSION_CODES
from models.shared.sheet import PUBLIC_OUTPUT, ScoreOutput


@dataclass(frozen=True)
class ScoreWeights:
    """The weights W of some enterprises, as integers in quanta.

    Output o of row r is

        base[o, r] + sum over weights k with o in outputs[k] of indicator[columns[k], r] * weights[k, r]
    """

    columns: NDArray[np.int32]
    """int32 [K]: the encrypted column that weight k multiplies."""
    outputs: tuple[tuple[int, ...], ...]
    """K tuples: the outputs to which the product of weight k is added."""
    weights: NDArray[np.int64]
    """int64 [K, rows]."""
    base: NDArray[np.int64]
    """int64 [outputs, rows]."""

    @property
    def arrays(self) -> tuple[NDArray[np.int32], tuple[tuple[int, ...], ...], NDArray[np.int64], NDArray[np.int64]]:
        """``columns``, ``outputs``, ``weights``, ``base``: what crosses from models to the scoring protocol."""
        return self.columns, self.outputs, self.weights, self.base

    def apply_to_indicators(self, indicators: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The sums in clear, int64 [outputs, rows], from the bank's ``indicators`` uint8 [columns, rows]."""
        sums = self.base.copy()
        for column, outputs, weights in zip(self.columns, self.outputs, self.weights, strict=True):
            for output in outputs:
                sums[output] += indicators[column] * weights
        return sums


@dataclass(frozen=True, slots=True)
class WeightRoute:
    """A weight of a column: for its own dimension, or its part for another one. ``outputs``: where it is added."""

    column: int
    feature: int
    dimension: int
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class WeightLayout:
    """Which weights a model has at one detail, and to which outputs each is added. ``weight_layout`` makes it."""

    detail: ResultDetail
    outputs: tuple[ScoreOutput, ...]
    routes: tuple[WeightRoute, ...]
    """Own weights of all columns in order, then the parts for other dimensions."""
    implied: tuple[tuple[int, tuple[int, ...]], ...]
    """Each route of an implied column, and the routes of the other columns of its feature and dimension.

    The implied indicator is 1 less the others, so its weight is added to the base and subtracted from theirs: the sums
    are the same integers."""
    encrypted: tuple[int, ...]
    """The routes of encrypted columns, by column."""

    def weight_counts(self) -> tuple[int, ...]:
        """How many weights are added to each output, in the order of ``outputs``."""
        counts = [0] * len(self.outputs)
        for route in self.encrypted:
            for output in self.routes[route].outputs:
                counts[output] += 1
        return tuple(counts)


def has_subtotals(detail: ResultDetail) -> tuple[bool, bool]:
    """Whether a detail has subtotals by dimension, and by feature."""
    return detail in (ResultDetail.DIMENSIONS, ResultDetail.FULL), detail in (ResultDetail.FEATURES, ResultDetail.FULL)


def weight_layout(
    weights: ColumnWeights, detail: ResultDetail, outputs: tuple[ScoreOutput, ...], feature_names: Sequence[str]
) -> WeightLayout:
    """The layout of a model's weights. ``feature_names``: the bank's, by index."""
    by_dimension, by_feature = has_subtotals(detail)
    places = {output: place for place, output in enumerate(outputs)}
    pairs = weights.column_dimension_pairs if by_dimension else ()
    routes = []
    for column, dimension in (*enumerate(weights.column_dimensions), *pairs):
        feature = weights.column_features[column]
        named = [ScoreOutput("dimension", DIMENSION_CODES[dimension])] if by_dimension else []
        named += [ScoreOutput("feature", feature_names[feature])] if by_feature else []
        routes.append(WeightRoute(column, feature, dimension, tuple(places[output] for output in named) or (0,)))
    return _layout(detail, outputs, routes, set(weights.implied_columns))


def _layout(
    detail: ResultDetail, outputs: tuple[ScoreOutput, ...], routes: Sequence[WeightRoute], implied_columns: set[int]
) -> WeightLayout:
    implied = tuple(
        (number, _siblings(routes, number)) for number, route in enumerate(routes) if route.column in implied_columns
    )
    encrypted = [number for number, route in enumerate(routes) if route.column not in implied_columns]
    encrypted.sort(key=lambda number: routes[number].column)
    return WeightLayout(detail, outputs, tuple(routes), implied, tuple(encrypted))


def _siblings(routes: Sequence[WeightRoute], number: int) -> tuple[int, ...]:
    """The other routes with the feature and dimension of this one."""
    same = (routes[number].feature, routes[number].dimension)
    return tuple(n for n, route in enumerate(routes) if n != number and (route.feature, route.dimension) == same)


def compute_score_weights(
    weights: ColumnWeights, layout: WeightLayout, public: NDArray[np.float64], *, quantum: float, step: int = 1
) -> ScoreWeights:
    """The weights of the enterprises of ``public``, in multiples of ``step`` quanta.

    ``public``: encoded public features, float64 [rows, features].
    """
    rows, encrypted = len(public), list(layout.encrypted)
    integers = np.empty((len(encrypted), rows), dtype=np.int64)
    base = np.zeros((len(layout.outputs), rows), dtype=np.int64)
    outcomes = weights.split_outcomes(public)
    for start in range(0, rows, CHUNK_ROWS):
        part = slice(start, min(start + CHUNK_ROWS, rows))
        conditions = weights.evaluate_conditions(outcomes[:, part])
        all_routes, base[:, part] = _compute_chunk(weights, layout, conditions, quantum, step)
        integers[:, part] = all_routes[encrypted]
    columns = np.asarray([layout.routes[route].column for route in encrypted], dtype=np.int32)
    columns -= np.searchsorted(weights.implied_columns, columns).astype(np.int32)
    return ScoreWeights(columns, tuple(layout.routes[route].outputs for route in encrypted), integers, base)


def _compute_chunk(
    weights: ColumnWeights, layout: WeightLayout, conditions: NDArray[np.float64], quantum: float, step: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The weights of all routes, int64 [routes, rows], and the base, int64 [outputs, rows], of some rows."""
    (by_dimension, by_feature), own = has_subtotals(layout.detail), len(weights.columns)
    places = {output: place for place, output in enumerate(layout.outputs)}
    integers = np.empty((len(layout.routes), conditions.shape[1]), dtype=np.int64)
    base = np.zeros((len(layout.outputs), conditions.shape[1]), dtype=np.int64)
    integers[:own] = _to_quanta(weights.column_matrix @ conditions, quantum, step)
    total = _to_quanta(weights.base_matrix @ conditions, quantum, step)[0]
    if by_dimension:
        parts = integers[own:] = _to_quanta(weights.dimension_matrix @ conditions, quantum, step)
        np.subtract.at(integers, [route.column for route in layout.routes[own:]], parts)
        base_parts = _to_quanta(weights.base_dimension_matrix @ conditions, quantum, step)
        base_parts[weights.base_dimension] += total - base_parts.sum(axis=0)
        for output, place in places.items():
            if output.kind == "dimension":
                base[place] = base_parts[DIMENSION_CODES.index(output.key)]
    if by_feature:
        base[places[PUBLIC_OUTPUT]] = total
    if layout.detail is ResultDetail.TOTAL:
        base[0] = total
    for implied, others in layout.implied:
        integers[list(others)] -= integers[implied]
        base[list(layout.routes[implied].outputs)] += integers[implied]
    return integers, base


def _to_quanta(values: NDArray[np.float64], quantum: float, step: int) -> NDArray[np.int64]:
    return np.rint(values / (quantum * step)).astype(np.int64) * step
