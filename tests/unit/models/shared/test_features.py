"""Features: kinds, categories, missing cells and the same numbers on both sides."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from lab.terms.errors import InvalidInput
from models.shared.dictionary.dictionary_entries import parse_dictionary
from models.shared.features import (
    FeatureDescription,
    encode_features,
    infer_features,
    read_features,
)


def text(**columns: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def test_a_column_is_numeric_if_every_present_value_is_a_number() -> None:
    frame = text(a=["1", " 2.5 ", "1e10", None], b=["", "NA", "null", "NaN"], c=["1", "x", "2", "x"])
    assert [feature.kind for feature in infer_features(frame, "bank")] == ["numeric", "numeric", "categorical"]


def test_missing_words_and_outer_spaces_are_read_alike() -> None:
    frame = text(a=["1", " na ", "N/A", "null", "nan", "", None, "-3e-5"])
    assert np.array_equal(
        encode_features(frame, infer_features(frame, "bank"))[:, 0], [1, *[np.nan] * 6, -3e-5], equal_nan=True
    )


def test_infinities_become_the_largest_number() -> None:
    frame = text(a=["inf", "-inf", "1e308", "1"])
    assert encode_features(frame, infer_features(frame, "bank"))[:, 0].tolist() == [1e300, -1e300, 1e300, 1.0]


def test_categories_are_the_63_most_frequent_and_the_rest_is_other() -> None:
    values = [f"v{number}" for number in range(70) for _ in range(70 - number)]
    (feature,) = infer_features(text(a=list(values)), "bureau")
    assert feature.categories == tuple(f"v{number}" for number in range(63))
    codes = encode_features(text(a=["v0", "v62", "v63", "never seen", None, " v1 "]), [feature])[:, 0]
    assert np.array_equal(codes, [0, 62, 63, 63, np.nan, 1], equal_nan=True)


def test_order_of_categories_does_not_depend_on_the_order_of_rows() -> None:
    one, other = infer_features(text(a=["x", "y", "z"]), "bank"), infer_features(text(a=["z", "x", "y"]), "bank")
    assert one == other


def test_missing_columns_are_named_and_values_are_not() -> None:
    features = infer_features(text(a=["1"], b=["secret-value"]), "bank")
    with pytest.raises(InvalidInput, match="missing: b") as caught:
        encode_features(text(a=["secret-value"]), features)
    assert "secret-value" not in str(caught.value)


def test_unreadable_cells_count_as_missing_and_are_counted() -> None:
    features = infer_features(text(a=["1", "2"], b=["3", "4"]), "bank")
    later = text(a=["1", "strange"], b=["", "5"])
    assert np.isnan(encode_features(later, features)[1, 0])
    found = read_features(later, features)[1]
    assert [(one.unreadable, one.unreadable_places) for one in found] == [(1, (1,)), (0, ())]


@pytest.mark.parametrize(
    ("pilot", "later", "contrary"),
    [
        ([f"{n % 12 + 1:02d}/{n % 28 + 1:02d}/2021" for n in range(400)], ["13/04/2021", "04/13/2021"], [True, False]),
        ([f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/2021" for n in range(400)], ["13/04/2021", "04/13/2021"], [False, True]),
        ([f"{n}.{n % 90 + 10}" for n in range(400)], ["1.234,5", "1,234.5"], [True, False]),
        ([f"{n},{n % 90 + 10}" for n in range(400)], ["12,5", "12.5"], [False, True]),
    ],
)
def test_cells_that_contradict_the_training_are_unreadable_and_counted(
    pilot: list[str | None], later: list[str | None], contrary: list[bool]
) -> None:
    values, (found,) = read_features(text(a=later), infer_features(text(a=pilot), "bank"))
    assert (found.unreadable, found.contrary) == (1, 1)
    assert np.isnan(values[:, 0]).tolist() == contrary


def test_numeric_tables_are_read_as_they_are() -> None:
    frame = pl.DataFrame({"a": [1, 2, None], "b": [0.5, float("nan"), 1.0], "c": [True, False, None]})
    features = infer_features(frame, "bank")
    assert [feature.kind for feature in features] == ["numeric", "numeric", "boolean"]
    expected = [[1, 0.5, 1], [2, np.nan, 0], [np.nan, 1, np.nan]]
    assert np.array_equal(encode_features(frame, features), expected, equal_nan=True)


def test_an_empty_table_has_no_rows_and_its_features() -> None:
    frame = text(a=[], b=[])
    assert encode_features(frame, infer_features(frame, "bank")).shape == (0, 2)


def test_words_come_from_the_dictionary() -> None:
    words = parse_dictionary({"items": {"a": {"code": "TAX-1", "zh": "纳税额", "en": "Tax paid", "dimension": "tax"}}})
    assert words == {"a": FeatureDescription(item="TAX-1", zh="纳税额", en="Tax paid", dimension="tax")}
    (described, bare) = infer_features(text(a=["1"], b=["1"]), "bureau", words)
    assert (described.label_zh, described.item, described.dimension) == ("纳税额", "TAX-1", "tax")
    assert (bare.label_zh, bare.label_en, bare.item, bare.dimension) == ("b", "b", "", "operations")
