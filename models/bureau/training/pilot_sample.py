"""The pilot sample as numbers: what training learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from lab.tables.cells.column_kinds import ColumnSummary, require_decided
from lab.terms.errors import InvalidInput
from models.bureau.model import MAX_FEATURES
from models.bureau.training.measurement import validate_label
from models.bureau.training.settings import TrainingSettings
from models.bureau.training_verdict import FeatureRemark
from models.shared.features import Feature, describe_columns, encode_features, infer_features

CROSS_FIT_MAX_ROWS = 2000  # a fifth of fewer rows is too little to calibrate on
CROSS_FIT_MAX_CASES = 150
"""Rows of the rarer class up to which a fifth of them, at most 30, is too little to compare models on."""


@dataclass(frozen=True)
class PilotSample:
    """``values``: float64 [rows, features], NaN for missing; ``label``: int64 [rows] of 0 and 1 (1 is default).

    ``left_out``: columns of one value, which a table too wide for a model is trained without. ``summaries``: how each
    column of both tables was read, the bureau's first.
    """

    features: tuple[Feature, ...]
    values: NDArray[np.float64]
    label: NDArray[np.int64]
    left_out: tuple[FeatureRemark, ...] = ()
    summaries: tuple[ColumnSummary, ...] = ()

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
    sample = PilotSample(features, encode_both(features, public, bank), target, summaries=(*shared, *own))
    return sample if len(features) <= MAX_FEATURES else _without_constants(sample)


def encode_both(features: tuple[Feature, ...], public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.float64]:
    """The values of both parties' features, the bureau's first: float64 [rows, features], NaN for missing."""
    bureau = [feature for feature in features if feature.party == "bureau"]
    own = [feature for feature in features if feature.party == "bank"]
    parts = [encode_features(frame, group) for frame, group in ((public, bureau), (bank, own)) if group]
    return np.hstack(parts) if parts else np.zeros((public.height, 0))


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
    return PilotSample(
        tuple(sample.features[number] for number in keep),
        sample.values[:, keep],
        sample.label,
        tuple(
            FeatureRemark(
                sample.features[number].name,
                sample.features[number].party,
                "empty" if np.isnan(sample.values[:, number]).all() else "constant",
            )
            for number in dropped
        ),
        sample.summaries,
    )
