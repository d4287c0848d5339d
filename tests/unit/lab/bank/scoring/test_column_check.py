"""What the bank is told of its own columns."""

from __future__ import annotations

import polars as pl
import pytest

from lab.bank.scoring.column_check import CheckedColumn
from models.shared.drift.reading_changes import ReadingChange
from models.shared.features import infer_features, read_features


@pytest.mark.parametrize(
    ("pilot", "later", "words"),
    [
        ("03/14/2021", "14/03/2021", "day and month the other way round"),
        ("12.50", "12,50", "decimal point and comma the other way round"),
    ],
)
def test_another_convention_than_in_training_is_told(pilot: str, later: str, words: str) -> None:
    features = infer_features(pl.DataFrame({"a": [pilot] * 30}), "bank")
    _, (cells,) = read_features(pl.DataFrame({"a": [pilot, later]}), features)
    column = CheckedColumn(features[0], cells, None, (3,), ReadingChange("a", (), ()))
    assert words in column.warnings[1] and "1 of these cells" in column.warnings[1]
    assert later not in " ".join(column.warnings)
    assert column.as_dict()["contrary"] == 1
