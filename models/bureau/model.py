"""A model as one document: features, a forest, a quantum and public constants.

The bureau multiplies its integer weights under encryption (``score_weights``). The intercept is a public constant of
the model: it is in the sheet, and in no weight or base.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.fields.field_types import Slug
from models.bureau.column_weights import ColumnWeights
from models.bureau.decomposition import decompose_forest
from models.bureau.feature_origin import FeatureOrigin
from models.bureau.forest import Forest
from models.bureau.model_card import ModelCard
from models.bureau.score_weights import ScoreWeights, WeightLayout, compute_score_weights, weight_layout
from models.bureau.verdict_words import verdict_summary
from models.shared.calibration import Calibration, ScoreScale
from models.shared.canonical_json import STRICT_CONFIG
from models.shared.columns import IndicatorColumn, compute_indicators
from models.shared.dimensions import DIMENSION_CODES, DIMENSIONS
from models.shared.drift.column_profiles import ColumnProfile
from models.shared.features import Feature, FeatureParty, encode_features
from models.shared.sheet import (
    PUBLIC_OUTPUT,
    TOTAL_OUTPUT,
    BankSheet,
    Family,
    Interactions,
    PublicItem,
    ReferenceDistribution,
    ScoreOutput,
)

MAX_FEATURES = 4000
"""Of both parties, in one model."""
MIN_QUANTUM_EXPONENT = -20
"""A quantum below 2^-20 would carry precision that no score needs, and show more of the weights."""
FLOAT_TOLERANCE = 1e-9  # the largest error of double arithmetic, without the rounding to the quantum


@dataclass(frozen=True)
class Model:
    """A trained model. ``features``: the bureau's first, then the bank's; the forest counts them in this order."""

    name: Slug
    version: Annotated[int, Field(ge=1)]
    family: Family
    interactions: Interactions
    features: Annotated[tuple[Feature, ...], Field(max_length=MAX_FEATURES)]
    forest: Forest
    quantum: float
    value_limit: Annotated[int, Field(ge=1, le=2**40)]
    calibration: Calibration
    scale: ScoreScale
    references: Annotated[tuple[ReferenceDistribution, ...], Field(max_length=2020)]
    card: ModelCard
    profiles: Annotated[tuple[ColumnProfile, ...], Field(max_length=4000)] = ()
    """How each feature was distributed in the pilot sample, in the order of ``features``; empty if not known."""
    origins: Annotated[tuple[FeatureOrigin, ...], Field(max_length=MAX_FEATURES)] = ()
    """Where the bureau's features come from, for those that are computed from records."""
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
        """The forest as columns; raises ``InvalidInput`` unless it keeps to ``interactions``."""
        numbers = [DIMENSION_CODES.index(feature.dimension) for feature in self.features]
        return decompose_forest(self.forest, self.features, numbers, one_bank_feature=self.interactions == "one")

    @property
    def column_count(self) -> int:
        """How many encrypted columns a batch has."""
        return len(self.encrypted_columns)

    @cached_property
    def encrypted_columns(self) -> tuple[IndicatorColumn, ...]:
        """The columns whose indicators a bank encrypts: all but those that the others of their feature imply."""
        implied = set(self.column_weights.implied_columns)
        return tuple(column for place, column in enumerate(self.column_weights.columns) if place not in implied)

    def outputs(self, detail: ResultDetail) -> tuple[ScoreOutput, ...]:
        """The outputs at this detail, in order. Raises ``InvalidInput`` for feature subtotals of a free model."""
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
        """The weights of the enterprises of ``public`` (one row each, the bureau's columns), in multiples of ``step``.

        Raises ``InvalidInput`` naming the feature columns that are missing.
        """
        return self.score_weights_from_encoded(encode_features(public, self.public_features), detail, step=step)

    def score_weights_from_encoded(
        self, public: NDArray[np.float64], detail: ResultDetail, *, step: int = 1
    ) -> ScoreWeights:
        """As ``score_weights``, from encoded public features, float64 [rows, public features]."""
        return compute_score_weights(self.column_weights, self._layout(detail), public, quantum=self.quantum, step=step)

    def weight_counts(self, detail: ResultDetail) -> tuple[int, ...]:
        """How many weights are added to each output at this detail, in the order of ``outputs``."""
        return self._layout(detail).weight_counts()

    def _layout(self, detail: ResultDetail) -> WeightLayout:
        names = [feature.name for feature in self.bank_features]
        return weight_layout(self.column_weights, detail, self.outputs(detail), names)

    def raw_scores(self, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
        """Scores in clear, float64 [rows]: unrounded log-odds of default, before calibration."""
        return self.forest.raw_scores(
            np.hstack([encode_features(public, self.public_features), encode_features(bank, self.bank_features)])
        )

    def indicators(self, bank: pl.DataFrame) -> NDArray[np.uint8]:
        """The bank's indicators, uint8 [columns, rows]; the same as ``sheet(...).compute_indicators``."""
        return self.indicators_from_encoded(encode_features(bank, self.bank_features))

    def indicators_from_encoded(self, bank: NDArray[np.float64]) -> NDArray[np.uint8]:
        """As ``indicators``, from encoded bank features, float64 [rows, bank features]."""
        return compute_indicators(self.bank_features, self.column_weights.binnings, self.encrypted_columns, bank)

    @property
    def rounding_count(self) -> int:
        """How many rounded weights count for one enterprise: at most one for each bank feature, or for each tree."""
        if self.interactions == "one":
            return len(self._feature_rows)
        return min(self.column_count, len(self.forest.trees))

    @property
    def error_bound(self) -> float:
        """The largest error of a decrypted raw score: half a quantum for each rounded weight and for the base."""
        return self.error_bound_at(1)

    def error_bound_at(self, step: int) -> float:
        """As ``error_bound``, with everything rounded to ``step`` quanta: half a step for each rounding."""
        return 0.5 * self.quantum * step * (self.rounding_count + 1) + FLOAT_TOLERANCE

    def value_bound(self, detail: ResultDetail = ResultDetail.FULL, *, step: int = 1) -> int:
        """The largest absolute value of any output, in quanta, for honest indicators; the same at every detail."""
        del detail  # subtotals are sums of the same parts, so one bound holds for all
        return math.ceil(self.column_weights.score_bound / self.quantum) + _rounding_slack(self.rounding_count) * step

    def sheet(self, detail: ResultDetail) -> BankSheet:
        """The sheet of this model under a contract of this detail."""
        weights, outputs = self.column_weights, self.outputs(detail)
        referenced = {TOTAL_OUTPUT, *outputs}
        used = [binning.feature for binning in weights.binnings]  # features that no column asks about are left out
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
            references=tuple(reference for reference in self.references if reference.output in referenced),
            items=self.public_items(),
            facts=self.card.facts,
            profiles=self.profiles_of(self.bank_features[number] for number in used),
        )

    def profiles_of(self, features: Iterable[Feature]) -> tuple[ColumnProfile, ...]:
        """The profiles of these features of one party, in order; those without one are left out."""
        found = [self._profiles_by_feature.get((feature.party, feature.name)) for feature in features]
        return tuple(profile for profile in found if profile is not None)

    @cached_property
    def _profiles_by_feature(self) -> dict[tuple[FeatureParty, str], ColumnProfile]:
        if not self.profiles:
            return {}
        pairs = zip(self.features, self.profiles, strict=True)
        return {(feature.party, feature.name): profile for feature, profile in pairs}

    def public_items(self) -> tuple[PublicItem, ...]:
        """The bureau's items that some tree tests."""
        tested = {node.split.feature for tree in self.forest.trees for node in tree if node.split is not None}
        origins = {origin.feature: origin for origin in self.origins}
        unknown = FeatureOrigin("", 0)
        return tuple(
            PublicItem(
                code=feature.item or feature.name,
                zh=feature.label_zh,
                en=feature.label_en,
                dimension=feature.dimension,
                sources=origins.get(feature.name, unknown).sources,
                reason_zh=origins.get(feature.name, unknown).reason_zh,
                reason_en=origins.get(feature.name, unknown).reason_en,
            )
            for number, feature in enumerate(self.features)
            if feature.party == "bureau" and number in tested
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
            "directions": {origin.feature: origin.direction for origin in self.origins if origin.direction},
            "quantum": self.quantum,
            "error_bound": self.error_bound,
            "rows": self.card.rows,
            "positives": self.card.positives,
            "date": self.card.date,
            "seed": self.card.seed,
            "facts": {fact.name: fact.value for fact in self.card.facts},
            "verdict": verdict_summary(self.card.verdict),
            "warnings": [{"zh": warning.zh, "en": warning.en} for warning in self.card.warnings],
        }


def choose_quantum(reach: float, roundings: int, value_limit: int) -> float:
    """The finest quantum (a power of two, at least 2^-20) with which every output is within ``value_limit`` quanta.

    ``reach`` bounds every sum of parts of a score; raises ``InvalidInput`` for a value limit that is too small.
    """
    room = value_limit - _rounding_slack(roundings) - 1
    if room <= 0:
        raise InvalidInput(
            f"Expected a value limit above {_rounding_slack(roundings) + 1} quanta; found {value_limit}."
        )
    exponent = math.ceil(math.log2(reach / room)) if reach > 0 else MIN_QUANTUM_EXPONENT
    return math.ldexp(1.0, max(exponent, MIN_QUANTUM_EXPONENT))


def _rounding_slack(roundings: int) -> int:
    # An own part has its own rounding error and those of at most five other dimensions: 3 quanta, and one to spare.
    return (len(DIMENSIONS) - 2) * (roundings + 1)
