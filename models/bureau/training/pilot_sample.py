"""The pilot sample as numbers: what training learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from lab.tables.cells.column_kinds import ColumnSummary, require_decided
from lab.terms.errors import InvalidInput
from models.bureau.model import MAX_FEATURES
from models.bureau.training.label import validate_label
from models.bureau.training.settings import TrainingSettings
from models.bureau.training_verdict import FeatureRemark
from models.shared.features import Feature, FeatureCells, describe_columns, infer_features, read_features

CROSS_FIT_MAX_ROWS = 2000  # a fifth of fewer rows is too little to calibrate on
CROSS_FIT_MAX_CASES = 150
"""Rows of the rarer class up to which a fifth of them, at most 30, is too little to compare models on."""


@dataclass(frozen=True)
class PilotSample:
    """``values``: float64 [rows, features], NaN for missing; ``label``: int64 [rows] of 0 and 1 (1 is default).

    ``left_out``: columns of one value, which a table too wide for a model is trained without. ``summaries``: how each
    column of both tables was read, the bureau's first. ``cells``: what was found in the column of each feature.
    """

    features: tuple[Feature, ...]
    values: NDArray[np.float64]
    label: NDArray[np.int64]
    left_out: tuple[FeatureRemark, ...] = ()
    summaries: tuple[ColumnSummary, ...] = ()
    cells: tuple[FeatureCells, ...] = ()

    @property
    def small(self) -> bool:
        """Whether a fifth of the sample has too few rows, defaults or others to calibrate on and to compare models."""
        rarer = int(np.bincount(self.label, minlength=2).min())
        return len(self.label) < CROSS_FIT_MAX_ROWS or rarer <= CROSS_FIT_MAX_CASES


def read_sample(
    public: pl.DataFrame,
    bank: pl.DataFrame,
    label: ArrayLike,
    settings: TrainingSettings,
    row_numbers: NDArray[np.int64] | None = None,
) -> PilotSample:
    """The sample of both parties' tables, same enterprises in the same order. ``row_numbers``, int64 [rows]: the
    numbers of the rows in the sample's file, by which notes on columns of both parties name them.

    Raises ``InvalidInput`` for a label from which nothing can be learnt, tables of different lengths, and more columns
    than a model may have, not counting those of one value.
    """
    target = validate_label(label, public, bank)
    own = describe_columns(bank, settings.bank_descriptions, row_numbers)
    shared = describe_columns(public, settings.public_descriptions, row_numbers)
    require_decided((*shared, *own))
    features = (
        *infer_features(public, "bureau", settings.public_descriptions, shared),
        *infer_features(bank, "bank", settings.bank_descriptions, own),
    )
    values, cells = _read_both(features, public, bank)
    sample = PilotSample(features, values, target, summaries=(*shared, *own), cells=cells)
    return sample if len(features) <= MAX_FEATURES else _without_constants(sample)


def encode_both(features: tuple[Feature, ...], public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
    """The values of both parties' features, the bureau's first: float64 [rows, features], NaN for missing."""
    return _read_both(features, public, bank)[0]


def _read_both(
    features: tuple[Feature, ...], public: pl.DataFrame, bank: pl.DataFrame
) -> tuple[NDArray[np.float64], tuple[FeatureCells, ...]]:
    """As ``encode_both``, and what was found in the column of each feature."""
    bureau = [feature for feature in features if feature.party == "bureau"]
    own = [feature for feature in features if feature.party == "bank"]
    parts = [read_features(frame, group) for frame, group in ((public, bureau), (bank, own)) if group]
    values = np.hstack([part for part, _ in parts]) if parts else np.zeros((public.height, 0))
    return values, tuple(one for _, cells in parts for one in cells)


def varies(values: NDArray[np.float64]) -> bool:
    """Whether a column, float64 [rows] with NaN for missing, has two different values; missing is one."""
    missing = np.isnan(values)
    if missing.any():
        return not bool(missing.all())
    return bool((values != values[:1]).any())


def _without_constants(sample: PilotSample) -> PilotSample:
    keep = [number for number in range(len(sample.features)) if varies(sample.values[:, number])]
    if len(keep) > MAX_FEATURES:
        raise InvalidInput(
            f"Expected at most {MAX_FEATURES:,} feature columns of both parties; found {len(keep):,} that vary.",
            next_step="choose columns with --columns, or import fewer into the register",
        )
    dropped = sorted(set(range(len(sample.features))) - set(keep))
    return replace(
        sample,
        features=tuple(sample.features[number] for number in keep),
        values=sample.values[:, keep],
        cells=tuple(sample.cells[number] for number in keep),
        left_out=tuple(
            FeatureRemark(
                sample.features[number].name,
                sample.features[number].party,
                "empty" if np.isnan(sample.values[:, number]).all() else "constant",
            )
            for number in dropped
        ),
    )
