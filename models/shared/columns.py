"""Columns: the conditions on bank features that a model asks about, and the bank's 0/1 indicators of them.

A *binning* cuts one bank feature into bins, which are the classes of values that the model tells apart. A *column* is a
conjunction of conditions "the feature's bin is one of these". With one bank feature a path, a column is a single bin of
one feature; in a free model it may join several features. The bank computes the indicators in clear and encrypts them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lab.terms.text.bilingual import BilingualText
from models.shared.canonical_json import STRICT_CONFIG, require
from models.shared.features import MAX_NUMBER, OTHER_EN, OTHER_ZH, Feature

# LightGBM's kZeroThreshold, a float32 constant: its predictor treats anything this small as zero.
ZERO_THRESHOLD = float(np.float32(1e-35))
MAX_BINS = 4096
MAX_COLUMNS = 4096


@dataclass(frozen=True)
class Binning:
    """The bins of one bank feature, numbered from 0.

    Numeric: cell i is (cuts[i-1], cuts[i]], and ``cells[i]`` is its bin; ``zero`` is the bin of zero if the model
    treats zero as missing. Categorical: ``cells[code]`` is the bin of a category; the last cell is "other". ``missing``
    is the bin of a missing value.
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
        """The bin of each value, int32 [rows]; ``values``: float64 [rows], encoded (``features.encode_features``)."""
        cells = np.asarray(self.cells, dtype=np.int32)
        missing = np.isnan(values)
        if categorical:
            codes = np.trunc(np.where(missing, -1.0, values))
            known = (codes >= 0) & (codes < len(cells))
            return np.where(known, cells[np.where(known, codes, 0).astype(np.int64)], np.int32(self.missing))
        small = np.abs(values) <= ZERO_THRESHOLD
        clean = np.where(small | missing, 0.0, values)
        bins = cells[np.searchsorted(np.asarray(self.cuts), clean, side="left")]
        if self.zero is not None:
            bins = np.where(small, np.int32(self.zero), bins)
        return np.where(missing, np.int32(self.missing), bins)


@dataclass(frozen=True)
class IndicatorColumn:
    """A conjunction, never empty: for each (binning index, bins), the feature's bin is one of ``bins``."""

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
    """Indicators, uint8 [columns, rows] of 0 and 1, from ``values`` float64 [rows, features]."""
    bins = [
        binning.assign_bins(values[:, binning.feature], categorical=features[binning.feature].kind == "categorical")
        for binning in binnings
    ]
    indicators = np.ones((len(columns), len(values)), dtype=np.uint8)
    for row, column in zip(indicators, columns, strict=True):
        for binning, allowed in column.tests:
            if len(allowed) == 1:
                row &= bins[binning] == allowed[0]
            else:
                member = np.zeros(binnings[binning].bin_count, dtype=bool)
                member[list(allowed)] = True
                row &= member[bins[binning]]
    return indicators


def check_columns(
    features: Sequence[Feature], binnings: Sequence[Binning], columns: Sequence[IndicatorColumn], *, of: str
) -> None:
    """Raise ``InvalidInput`` unless binnings and columns refer only to what exists; ``of`` names their document."""
    for binning in binnings:
        require(0 <= binning.feature < len(features), "binnings of its own features", of=of)
        _check_binning(features[binning.feature], binning, of=of)
    for column in columns:
        require(bool(column.tests), "columns with at least one condition", of=of)
        for index, allowed in column.tests:
            require(0 <= index < len(binnings), "columns over its own binnings", of=of)
            require(
                all(0 <= number < binnings[index].bin_count for number in allowed), "columns over its own bins", of=of
            )


def _check_binning(feature: Feature, binning: Binning, *, of: str) -> None:
    cells = len(feature.categories) if feature.kind == "categorical" else len(binning.cuts)
    require(len(binning.cells) == cells + 1, "one bin for each cell", of=of)
    require(
        feature.kind != "categorical" or (not binning.cuts and binning.zero is None), "no cuts in categories", of=of
    )
    require(all(a < b for a, b in zip(binning.cuts, binning.cuts[1:], strict=False)), "ascending cuts", of=of)
    numbers = (*binning.cells, binning.missing, 0 if binning.zero is None else binning.zero)
    require(all(0 <= number < MAX_BINS for number in numbers), "bins numbered from 0", of=of)


def describe_column(features: Sequence[Feature], binnings: Sequence[Binning], column: IndicatorColumn) -> BilingualText:
    """What a column asks, in (Chinese, English), for a person who checks what is encrypted."""
    zh, en = [], []
    for index, allowed in column.tests:
        binning, feature = binnings[index], features[binnings[index].feature]
        parts = [_describe_bin(feature, binning, number) for number in allowed]
        zh.append(f"{feature.label_zh} {' 或 '.join(part[0] for part in parts)}")
        en.append(f"{feature.label_en} {' or '.join(part[1] for part in parts)}")
    return " 且 ".join(zh), " and ".join(en)


def _describe_bin(feature: Feature, binning: Binning, number: int) -> BilingualText:
    cells = [cell for cell, owner in enumerate(binning.cells) if owner == number]
    if feature.kind == "categorical":
        zh = [(*feature.categories, OTHER_ZH)[cell] for cell in cells]
        en = [(*feature.categories, OTHER_EN)[cell] for cell in cells]
    elif feature.kind == "boolean":
        zh, en = _describe_yes_no(binning.cuts, cells)
    else:
        zh = _describe_intervals(binning.cuts, cells, dates=feature.kind == "date")
        en = list(zh)
    for special, special_zh, special_en in ((binning.zero, "为零", "is zero"), (binning.missing, "缺失", "is missing")):
        if special == number:
            zh.append(special_zh)
            en.append(special_en)
    return "、".join(zh), ", ".join(en)


def _describe_yes_no(cuts: Sequence[float], cells: Sequence[int]) -> tuple[list[str], list[str]]:
    values = [value for value in (0.0, 1.0) if int(np.searchsorted(np.asarray(cuts), value, side="left")) in cells]
    return [("否", "是")[int(value)] for value in values], [("no", "yes")[int(value)] for value in values]


def _describe_intervals(cuts: Sequence[float], cells: Sequence[int], *, dates: bool) -> list[str]:
    words = []
    for cell in cells:
        if cell and cuts[cell - 1] >= MAX_NUMBER:
            continue  # no value is above the largest number: the cell only separates present values from missing ones
        low = f"{_describe_cut(cuts[cell - 1], dates)} < " if cell else ""
        high = f" ≤ {_describe_cut(cuts[cell], dates)}" if cell < len(cuts) and cuts[cell] < MAX_NUMBER else ""
        words.append(f"{low}x{high}")
    return words


def _describe_cut(cut: float, date: bool) -> str:
    """A cut point; of dates, the last day at or below it."""
    if not date or not -700_000 < cut < 2_900_000:
        return f"{cut:.6g}"
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(days=int(np.floor(cut))))
