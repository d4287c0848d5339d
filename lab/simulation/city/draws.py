"""Random values as columns: shares, codes, dates and amounts, for many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


def logistic(values: Floats) -> Floats:
    """The logistic function."""
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def happens(rng: np.random.Generator, chance: Floats | float, rows: int) -> Flags:
    """Whether it happens, with a chance for all rows or for each, [rows]."""
    return np.asarray(rng.random(rows) < chance)


def pick(rng: np.random.Generator, shares: Sequence[float], rows: int) -> Integers:
    """Indexes drawn with the given shares, which are scaled to sum to 1, [rows]."""
    bounds = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.searchsorted(bounds[:-1] / bounds[-1], rng.random(rows), side="right").astype(np.int64)


def as_codes(indexes: Integers, names: Sequence[str], blank: Flags | None = None) -> pl.Series:
    """A column of codes ``names[indexes]``; null where ``blank``."""
    return blanked(pl.Series(indexes.astype(np.uint8)).cat.to(pl.Enum(list(names))), blank)


def as_dates(days: Integers, blank: Flags | None = None) -> pl.Series:
    """A column of dates from days since 1970-01-01; null where ``blank``."""
    return blanked(pl.Series(days.astype(np.int32)).cast(pl.Date), blank)


def as_amounts(yuan: Floats, blank: Flags | None = None) -> pl.Series:
    """A column of amounts, to the cent, none below zero; null where ``blank``."""
    return blanked(pl.Series(np.round(np.maximum(yuan, 0.0), 2)), blank)


def as_flags(flags: Flags, blank: Flags | None = None) -> pl.Series:
    """A column of yes and no; null where ``blank``."""
    return blanked(pl.Series(flags), blank)


def as_counts(counts: Integers, blank: Flags | None = None) -> pl.Series:
    """A column of whole numbers; null where ``blank``."""
    return blanked(pl.Series(counts.astype(np.int64)), blank)


def as_text(indexes: Integers, texts: Sequence[str], blank: Flags | None = None) -> pl.Series:
    """A column of texts ``texts[indexes]``; null where ``blank``."""
    return blanked(pl.Series(list(texts), dtype=pl.String).gather(pl.Series(indexes)), blank)


def blanked(column: pl.Series, blank: Flags | None) -> pl.Series:
    """The column with null where ``blank``."""
    if blank is None or not blank.any():
        return column
    return column.zip_with(pl.Series(~blank), pl.Series([None], dtype=column.dtype).new_from_index(0, len(column)))


def numbered(pattern: str, **parts: Integers | Sequence[str] | pl.Series) -> pl.Series:
    """A column of texts, such as case numbers: ``pattern`` with ``{}`` for each part in turn."""
    frame = pl.DataFrame([pl.Series(name, part) for name, part in parts.items()])
    return frame.select(pl.format(pattern, *(pl.col(name) for name in parts)).alias("text"))["text"]


def years_of(days: Integers) -> Integers:
    """The calendar year of each day since 1970-01-01."""
    return np.asarray(days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970)
