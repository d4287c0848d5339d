"""The label of a pilot sample: whether anything can be learnt from it."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from lab.terms.errors import InvalidInput

MIN_TRAINING_ROWS = 40
MIN_CLASS_ROWS = 5


def validate_label(label: ArrayLike, public: pl.DataFrame, bank: pl.DataFrame) -> NDArray[np.int64]:
    """The label as int64 [rows] of 0 and 1; raises ``InvalidInput`` if nothing can be learnt from it."""
    try:
        values = np.asarray(label, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("Expected a label of 0 and 1; found text.", next_step="write the label as 0 and 1") from None
    if values.ndim != 1 or len({len(values), public.height, bank.height}) != 1:
        raise InvalidInput(
            f"Expected as many labels as rows; found {len(values)} labels, {public.height} and {bank.height} rows."
        )
    if not np.isin(values, (0.0, 1.0)).all():
        raise InvalidInput(
            "Expected a label of 0 and 1 without gaps; found other values.", next_step="correct the label"
        )
    counts = np.bincount(values.astype(np.int64), minlength=2)
    if len(values) and counts.min() == 0:
        raise InvalidInput(
            "Expected a label with two classes; found one.", next_step="add enterprises of the other class to the pilot"
        )
    if len(values) < MIN_TRAINING_ROWS or counts.min() < MIN_CLASS_ROWS:
        raise InvalidInput(
            f"Expected at least {MIN_TRAINING_ROWS} rows and {MIN_CLASS_ROWS} of each class to train on; "
            f"found {len(values)} rows, {counts[0]} and {counts[1]}.",
            next_step="use a larger pilot sample",
        )
    return values.astype(np.int64)
