"""Columns: the 0/1 questions about bank features that a model asks, and how the bank answers them.

A *binning* cuts one bank feature into bins: exactly the classes of values that the model tells apart. A *column* is a
conjunction of "feature's bin is one of these". With one bank feature a path a column is a single bin of one feature;
in a free model it may join several features. The bank answers in clear and encrypts the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.text.bilingual import BilingualText
from models.shared.canonical_json import STRICT_CONFIG, require
from models.shared.features import MAX_NUMBER, OTHER_EN, OTHER_ZH, Feature

# LightGBM's kZeroThreshold, a float32 constant; its predictor takes anything this small for zero.
ZERO_THRESHOLD = float(np.float32(1e-35))
MAX_BINS = 4096
MAX_COLUMNS = 4096


@dataclass(frozen=True)
class Binning:
    """The bins of one bank feature.

    Numeric: cell i is (cuts[i-1], cuts[i]], and ``cells[i]`` is its bin; ``zero`` is the bin of zero where the model
    takes zero for missing. Categorical: ``cells[code]`` is the bin of a category, the last one of "other". ``missing``
    is the bin of a missing value. Bins are numbered from 0.
    """

    feature: int
    cuts: Annotated[tuple[float, ...], Field(max_length=MAX_BINS)]
    cells: Annotated[tuple[int, ...], Field(max_length=MAX_BINS + 1)]
    missing: int
    zero: int | None = None

    __pydantic_config__ = STRICT_CONFIG

    @property
    def bin_count(self) -> int:
        """How many bins there are."""
        return max(*self.cells, self.missing, -1 if self.zero is None else self.zero) + 1

    def assign_bins(self, values: NDArray[np.float64], *, categorical: bool) -> NDArray[np.int32]:
        """The bin of each value; ``values`` float64 [rows] as ``features.encode`` gives them."""
        cells = np.asarray(self.cells, dtype=np.int32)
        absent = np.isnan(values)
        if categorical:
            codes = np.trunc(np.where(absent, -1.0, values))
            known = (codes >= 0) & (codes < len(cells))
            return np.where(known, cells[np.where(known, codes, 0).astype(np.int64)], np.int32(self.missing))
        small = np.abs(values) <= ZERO_THRESHOLD
        clean = np.where(small | absent, 0.0, values)
        bins = cells[np.searchsorted(np.asarray(self.cuts), clean, side="left")]
        if self.zero is not None:
            bins = np.where(small, np.int32(self.zero), bins)
        return np.where(absent, np.int32(self.missing), bins)


@dataclass(frozen=True)
class IndicatorColumn:
    """A conjunction: for each (binning index, bins) the feature's bin is one of the bins. Never empty."""

    tests: Annotated[
        tuple[tuple[int, Annotated[tuple[int, ...], Field(max_length=MAX_BINS)]], ...], Field(max_length=64)
    ]

    __pydantic_config__ = STRICT_CONFIG


def compute_indicators(
    features: Sequence[Feature],
    binnings: Sequence[Binning],
    columns: Sequence[IndicatorColumn],
    values: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Answers: uint8 [columns, rows] of 0 and 1, from ``values`` float64 [rows, features]."""
    bins = [
        binning.assign_bins(values[:, binning.feature], categorical=features[binning.feature].kind == "categorical")
        for binning in binnings
    ]
    answers = np.ones((len(columns), len(values)), dtype=np.uint8)
    for row, column in zip(answers, columns, strict=True):
        for binning, allowed in column.tests:
            if len(allowed) == 1:
                row &= bins[binning] == allowed[0]
            else:
                member = np.zeros(binnings[binning].bin_count, dtype=bool)
                member[list(allowed)] = True
                row &= member[bins[binning]]
    return answers


def check_columns(
    features: Sequence[Feature], binnings: Sequence[Binning], columns: Sequence[IndicatorColumn], *, of: str
) -> None:
    """Raise ``InvalidInput`` unless binnings and columns refer only to what exists; ``of`` names their document."""
    for binning in binnings:
        require(0 <= binning.feature < len(features), "binnings of its own features", of=of)
        feature = features[binning.feature]
        cells = len(binning.cuts) if feature.kind == "numeric" else len(feature.categories)
        require(len(binning.cells) == cells + 1, "one bin for each cell", of=of)
        require(
            feature.kind == "numeric" or (not binning.cuts and binning.zero is None), "no cuts in categories", of=of
        )
        require(all(a < b for a, b in zip(binning.cuts, binning.cuts[1:], strict=False)), "ascending cuts", of=of)
        numbers = (*binning.cells, binning.missing, 0 if binning.zero is None else binning.zero)
        require(all(0 <= number < MAX_BINS for number in numbers), "bins numbered from 0", of=of)
    for column in columns:
        require(bool(column.tests), "columns that ask something", of=of)
        for index, allowed in column.tests:
            require(0 <= index < len(binnings), "columns over its own binnings", of=of)
            require(
                all(0 <= number < binnings[index].bin_count for number in allowed), "columns over its own bins", of=of
            )


def describe_column(features: Sequence[Feature], binnings: Sequence[Binning], column: IndicatorColumn) -> BilingualText:
    """What a column asks, in Chinese and in English, for a person who checks what is encrypted."""
    zh, en = [], []
    for index, allowed in column.tests:
        binning, feature = binnings[index], features[binnings[index].feature]
        parts = [_bin_words(feature, binning, number) for number in allowed]
        zh.append(f"{feature.label_zh} {' 或 '.join(part[0] for part in parts)}")
        en.append(f"{feature.label_en} {' or '.join(part[1] for part in parts)}")
    return " 且 ".join(zh), " and ".join(en)


def _bin_words(feature: Feature, binning: Binning, number: int) -> BilingualText:
    cells = [cell for cell, owner in enumerate(binning.cells) if owner == number]
    zh, en = [], []
    if feature.kind == "categorical":
        zh += [feature.categories[c] if c < len(feature.categories) else OTHER_ZH for c in cells]
        en += [feature.categories[c] if c < len(feature.categories) else OTHER_EN for c in cells]
    else:
        for cell in cells:
            if cell and binning.cuts[cell - 1] >= MAX_NUMBER:
                continue  # no value lies there: it is the other side of "is there a value at all"
            low = f"{binning.cuts[cell - 1]:.6g} < " if cell else ""
            high = (
                f" ≤ {binning.cuts[cell]:.6g}" if cell < len(binning.cuts) and binning.cuts[cell] < MAX_NUMBER else ""
            )
            zh.append(f"{low}x{high}")
            en.append(f"{low}x{high}")
    if binning.zero == number:
        zh.append("为零")
        en.append("is zero")
    if binning.missing == number:
        zh.append("缺失")
        en.append("is missing")
    return "、".join(zh), ", ".join(en)
