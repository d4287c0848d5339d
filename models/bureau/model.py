"""A model: features, a forest, a quantum and public constants, as one document; and the integer terms it yields.

``terms`` is what the bureau multiplies under encryption. All details share one rounding: a column's weight is rounded
to the quantum once, its dimension parts are rounded each, and what is left goes to the dimension of the column's own
feature. So totals are the same integers at every detail and subtotals add up exactly. A contract may ask for coarser
steps than one quantum: then everything is rounded to multiples of the step in the same way. The intercept is a public
constant of the model: it stands in the sheet and in no term.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.field_types import Slug
from models.bureau.column_weights import CHUNK_ROWS, ColumnWeights, decompose_forest
from models.bureau.forest import Forest
from models.bureau.model_card import ModelCard
from models.shared.calibration import Calibration, ScoreScale
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.columns import IndicatorColumn, compute_indicators
from models.shared.dimensions import DIMENSION_CODES, DIMENSIONS
from models.shared.features import Feature, encode_features
from models.shared.sheet import BankSheet, PublicItem, ReferenceDistribution, ScoreOutput

MIN_QUANTUM_EXPONENT = (
    -20
)  # a quantum below 2^-20 would carry precision that no score needs, and that tells more of the weights
FLOAT_TOLERANCE = 1e-9  # what double arithmetic may differ, beside rounding to the quantum
TOTAL_OUTPUT = ScoreOutput("total", "total")
PUBLIC_OUTPUT = ScoreOutput("public", "public")


@dataclass(frozen=True)
class ScoreWeights:
    """What an encrypted score is made of, in quanta.

    ``columns`` int32 [T]: the ciphertext column each term multiplies; ``outputs`` (T tuples): the outputs it is added
    to; ``values`` int64 [T, rows]; ``base`` int64 [O, rows]. Output o is
    base[o] + sum of answer[columns[t]] * values[t].
    """

    columns: NDArray[np.int32]
    outputs: tuple[tuple[int, ...], ...]
    weights: NDArray[np.int64]
    base: NDArray[np.int64]

    def apply_to_indicators(self, answers: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The sums in clear, int64 [O, rows], from the bank's ``answers`` uint8 [columns, rows]."""
        sums = self.base.copy()
        for column, outputs, values in zip(self.columns, self.outputs, self.weights, strict=True):
            for output in outputs:
                sums[output] += answers[column] * values
        return sums


@dataclass(frozen=True, slots=True)
class _WeightRoute:
    """Where the term of a column goes: its own, or its part for another dimension."""

    column: int
    feature: int
    dimension: int
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A trained model. ``features``: the bureau's first, then the bank's; the forest counts them in this order."""

    name: Slug
    version: Annotated[int, Field(ge=1)]
    family: Literal["boosted", "scorecard"]
    interactions: Literal["one", "free"]
    features: Annotated[tuple[Feature, ...], Field(max_length=4000)]
    forest: Forest
    quantum: float
    value_limit: Annotated[int, Field(ge=1, le=2**40)]
    calibration: Calibration
    scale: ScoreScale
    references: Annotated[tuple[ReferenceDistribution, ...], Field(max_length=2020)]
    card: ModelCard
    schema: Literal["shulab-model/1"] = "shulab-model/1"

    __pydantic_config__ = STRICT_CONFIG

    @property
    def public_features(self) -> tuple[Feature, ...]:
        """The bureau's features, in the order of the forest."""
        return tuple(feature for feature in self.features if feature.party == "bureau")

    @property
    def bank_features(self) -> tuple[Feature, ...]:
        """The bank's features, in the order of the forest."""
        return tuple(feature for feature in self.features if feature.party == "bank")

    @cached_property
    def column_weights(self) -> ColumnWeights:
        """The forest as columns; raises ``InvalidInput`` if it is not what ``interactions`` declares."""
        numbers = [DIMENSION_CODES.index(feature.dimension) for feature in self.features]
        return decompose_forest(self.forest, self.features, numbers, one=self.interactions == "one")

    @property
    def column_count(self) -> int:
        """How many ciphertext columns a batch has."""
        return len(self.encrypted_columns)

    @cached_property
    def encrypted_columns(self) -> tuple[IndicatorColumn, ...]:
        """The columns that a bank answers: all but those that the others of their feature imply."""
        implied = set(self.column_weights.implied_columns)
        return tuple(column for place, column in enumerate(self.column_weights.columns) if place not in implied)

    def outputs(self, detail: ResultDetail) -> tuple[ScoreOutput, ...]:
        """What comes back at this detail, in order. Raises ``InvalidInput`` for feature subtotals of a free model."""
        if detail is ResultDetail.TOTAL:
            return (TOTAL_OUTPUT,)
        dimensions = tuple(ScoreOutput("dimension", DIMENSION_CODES[number]) for number in self._dimension_rows)
        if detail is ResultDetail.DIMENSIONS:
            return dimensions
        if self.interactions == "free":
            raise InvalidInput(
                "Feature subtotals need interactions=one: a column of a free model joins several features.",
                next_step="choose detail total or dimensions, or train with --interactions one",
            )
        names = self.bank_features
        features = (*(ScoreOutput("feature", names[number].name) for number in self._feature_rows), PUBLIC_OUTPUT)
        return features if detail is ResultDetail.FEATURES else (*dimensions, *features)

    @cached_property
    def _dimension_rows(self) -> tuple[int, ...]:
        weights = self.column_weights
        used = {
            *weights.column_dimensions,
            *(dimension for _, dimension in weights.column_dimension_pairs),
            weights.base_dimension,
        }
        used |= {int(row) for row in np.flatnonzero(np.diff(weights.base_dimension_matrix.indptr))}
        return tuple(sorted(used))

    @cached_property
    def _feature_rows(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.column_weights.column_features) - {-1}))

    def score_weights(self, public: pl.DataFrame, detail: ResultDetail, *, step: int = 1) -> ScoreWeights:
        """The terms for the enterprises of ``public`` (one row each, the bureau's columns), multiples of ``step``."""
        return self.score_weights_from_encoded(encode_features(public, self.public_features), detail, step=step)

    def score_weights_from_encoded(
        self, public: NDArray[np.float64], detail: ResultDetail, *, step: int = 1
    ) -> ScoreWeights:
        """As ``terms``, from encoded public features, float64 [rows, public features]."""
        weights, outputs, routes = self.column_weights, self.outputs(detail), self._routes(detail)
        count, rows = len(weights.columns), len(public)
        by_dimension, by_feature = _subtotals(detail)
        places = {output: place for place, output in enumerate(outputs)}
        pair_columns, folded = [route.column for route in routes[count:]], self._implied(routes)
        asked = [place for place, route in enumerate(routes) if route.column not in weights.implied_columns]
        asked.sort(key=lambda place: routes[place].column)
        values = np.empty((len(asked), rows), dtype=np.int64)
        base = np.zeros((len(outputs), rows), dtype=np.int64)
        literals = weights.split_outcomes(public)
        for start in range(0, rows, CHUNK_ROWS):
            part = slice(start, min(start + CHUNK_ROWS, rows))
            holds = weights.evaluate_conditions(literals[:, part])
            all_terms = np.empty((len(routes), holds.shape[1]), dtype=np.int64)
            all_terms[:count] = self._quanta(weights.column_matrix @ holds, step)
            base_total = self._quanta(weights.base_matrix @ holds, step)[0]
            if by_dimension:
                pairs = all_terms[count:] = self._quanta(weights.dimension_matrix @ holds, step)
                np.subtract.at(all_terms, pair_columns, pairs)
                parts = self._quanta(weights.base_dimension_matrix @ holds, step)
                parts[weights.base_dimension] += base_total - parts.sum(axis=0)
                for number in self._dimension_rows:
                    base[places[ScoreOutput("dimension", DIMENSION_CODES[number])], part] = parts[number]
            if by_feature:
                base[places[PUBLIC_OUTPUT], part] = base_total
            if detail is ResultDetail.TOTAL:
                base[0, part] = base_total
            for implied, others in folded:
                all_terms[others] -= all_terms[implied]
                base[list(routes[implied].outputs), part] += all_terms[implied]
            values[:, part] = all_terms[asked]
        columns = np.asarray([routes[place].column for place in asked], dtype=np.int32)
        columns -= np.searchsorted(weights.implied_columns, columns).astype(np.int32)
        return ScoreWeights(columns, tuple(routes[place].outputs for place in asked), values, base)

    def weight_counts(self, detail: ResultDetail) -> tuple[int, ...]:
        """How many terms feed each output at this detail, in the order of ``outputs``."""
        counts = [0] * len(self.outputs(detail))
        for route in self._routes(detail):
            if route.column not in self.column_weights.implied_columns:
                for output in route.outputs:
                    counts[output] += 1
        return tuple(counts)

    def _routes(self, detail: ResultDetail) -> list[_WeightRoute]:
        """The terms of all columns, their own before parts for other dimensions."""
        weights, (by_dimension, by_feature) = self.column_weights, _subtotals(detail)
        places = {output: place for place, output in enumerate(self.outputs(detail))}
        pairs = weights.column_dimension_pairs if by_dimension else ()
        routes = []
        for column, dimension in (*enumerate(weights.column_dimensions), *pairs):
            feature = weights.column_features[column]
            outputs = [places[ScoreOutput("dimension", DIMENSION_CODES[dimension])]] if by_dimension else []
            if by_feature:
                outputs.append(places[ScoreOutput("feature", self.bank_features[feature].name)])
            routes.append(_WeightRoute(column, feature, dimension, tuple(outputs) if outputs else (0,)))
        return routes

    def _implied(self, routes: list[_WeightRoute]) -> list[tuple[int, list[int]]]:
        """Each term of an implied column, and those of the other columns of its feature and dimension.

        The implied answer is 1 less the others, so its weight goes to the base and off the others': the same integers.
        """
        found = []
        for place, route in enumerate(routes):
            if route.column in self.column_weights.implied_columns:
                same = (route.feature, route.dimension)
                others = [n for n, one in enumerate(routes) if n != place and (one.feature, one.dimension) == same]
                found.append((place, others))
        return found

    def _quanta(self, values: NDArray[np.float64], step: int) -> NDArray[np.int64]:
        return np.rint(values / (self.quantum * step)).astype(np.int64) * step

    def raw_scores(self, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
        """Plain evaluation in clear: float64 [rows], unrounded log-odds of default (before calibration)."""
        return self.forest.raw_scores(
            np.hstack([encode_features(public, self.public_features), encode_features(bank, self.bank_features)])
        )

    def indicators(self, bank: pl.DataFrame) -> NDArray[np.uint8]:
        """What the bank would answer, uint8 [columns, rows]; the same as ``sheet(...).indicators``."""
        return self.indicators_from_encoded(encode_features(bank, self.bank_features))

    def indicators_from_encoded(self, bank: NDArray[np.float64]) -> NDArray[np.uint8]:
        """As ``answers``, from encoded bank features, float64 [rows, bank features]."""
        return compute_indicators(self.bank_features, self.column_weights.binnings, self.encrypted_columns, bank)

    @property
    def rounding_count(self) -> int:
        """How many rounded weights of one enterprise may differ from zero: one for each bank feature, or each tree."""
        if self.interactions == "one":
            return len(self._feature_rows)
        return min(self.column_count, len(self.forest.trees))

    @property
    def error_bound(self) -> float:
        """Largest difference of a decrypted raw score: half a quantum for each rounded weight and for the base."""
        return self.error_bound_at(1)

    def error_bound_at(self, step: int) -> float:
        """As ``error_bound``, where everything is rounded to ``step`` quanta: half a step for each rounding."""
        return 0.5 * self.quantum * step * (self.rounding_count + 1) + FLOAT_TOLERANCE

    def value_bound(self, detail: ResultDetail = ResultDetail.FULL, *, step: int = 1) -> int:
        """Largest absolute value of any output, in quanta, for honest answers; the same at every detail."""
        del detail  # one bound holds for all: subtotals are sums of the same parts
        return math.ceil(self.column_weights.score_bound / self.quantum) + _rounding_slack(self.rounding_count) * step

    def sheet(self, detail: ResultDetail) -> BankSheet:
        """What a bank is told of this model under a contract of this detail."""
        weights, outputs = self.column_weights, self.outputs(detail)
        wanted = {TOTAL_OUTPUT, *outputs}
        used = [binning.feature for binning in weights.binnings]  # a bank need not send what no column asks about
        return BankSheet(
            model=self.name,
            version=self.version,
            family=self.family,
            interactions=self.interactions,
            detail=detail,
            features=tuple(self.bank_features[number] for number in used),
            binnings=tuple(replace(binning, feature=place) for place, binning in enumerate(weights.binnings)),
            columns=self.encrypted_columns,
            quantum=self.quantum,
            intercept=self.forest.intercept,
            error_bound=self.error_bound,
            outputs=outputs,
            calibration=self.calibration,
            scale=self.scale,
            references=tuple(reference for reference in self.references if reference.output in wanted),
            items=self.public_items(),
            facts=self.card.facts,
        )

    def public_items(self) -> tuple[PublicItem, ...]:
        """The bureau's items that the model asks about (those no tree tests are left out)."""
        asked = {node.split.feature for tree in self.forest.trees for node in tree if node.split is not None}
        return tuple(
            PublicItem(
                code=feature.item or feature.name, zh=feature.label_zh, en=feature.label_en, dimension=feature.dimension
            )
            for number, feature in enumerate(self.features)
            if feature.party == "bureau" and number in asked
        )

    def summary(self) -> dict[str, Any]:
        """The model in a few plain values, for ``lab model show --json``."""
        return {
            "name": self.name,
            "version": self.version,
            "family": self.family,
            "interactions": self.interactions,
            "trees": len(self.forest.trees),
            "columns": self.column_count,
            "pairs": self.column_count + len(self.column_weights.column_dimension_pairs),
            "public_features": [feature.name for feature in self.public_features],
            "bank_features": [feature.name for feature in self.bank_features],
            "items": [item.code for item in self.public_items()],
            "quantum": self.quantum,
            "error_bound": self.error_bound,
            "rows": self.card.rows,
            "positives": self.card.positives,
            "date": self.card.date,
            "seed": self.card.seed,
            "facts": {fact.name: fact.value for fact in self.card.facts},
            "warnings": [{"zh": warning.zh, "en": warning.en} for warning in self.card.warnings],
        }


def _subtotals(detail: ResultDetail) -> tuple[bool, bool]:
    """Whether there are subtotals by dimension, and by feature."""
    return detail in (ResultDetail.DIMENSIONS, ResultDetail.FULL), detail in (ResultDetail.FEATURES, ResultDetail.FULL)


def choose_quantum(reach: float, roundings: int, value_limit: int) -> float:
    """The finest power of two, not below 2^-20, with which no output passes ``value_limit`` quanta."""
    room = value_limit - _rounding_slack(roundings) - 1
    if room <= 0:
        raise InvalidInput(f"Wanted a value limit above {_rounding_slack(roundings) + 1} quanta; found {value_limit}.")
    exponent = math.ceil(math.log2(reach / room)) if reach > 0 else MIN_QUANTUM_EXPONENT
    return math.ldexp(1.0, max(exponent, MIN_QUANTUM_EXPONENT))


def _rounding_slack(roundings: int) -> int:
    # An own part takes its own rounding and the residues of at most five other dimensions: 3 quanta, and one to spare.
    return (len(DIMENSIONS) - 2) * (roundings + 1)
