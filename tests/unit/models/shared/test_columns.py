"""Bins and columns: edges, zero, missing, categories, and documents that refer to what does not exist."""

from __future__ import annotations

import numpy as np
import pytest

from lab.terms.errors import InvalidInput
from models.bureau.binning import derive_binning
from models.bureau.forest import Split
from models.shared.columns import Binning, IndicatorColumn, check_columns, compute_indicators, describe_column
from models.shared.features import Feature

NUMBER = Feature("a", "bank", "numeric", (), "conduct", "逾期次数", "Times overdue")
TEXT = Feature("b", "bank", "categorical", ("x", "y", "z"), "conduct", "行业", "Industry")


def split(threshold: float, missing: str = "nan", default_left: bool = False) -> Split:
    return Split(feature=0, threshold=threshold, missing=missing, default_left=default_left)  # type: ignore[arg-type]


def test_a_value_on_a_cut_belongs_below_it() -> None:
    binning, _ = derive_binning(0, [split(1.0), split(2.0)], None)
    bins = binning.assign_bins(np.asarray([0.5, 1.0, np.nextafter(1.0, 2), 2.0, 2.1]), categorical=False)
    assert bins[0] == bins[1] != bins[2] == bins[3] != bins[4]


def test_missing_shares_a_bin_only_with_values_that_the_model_treats_alike() -> None:
    right, _ = derive_binning(0, [split(1.0)], None)
    assert right.missing == right.cells[-1] and right.bin_count == 2
    mixed, _ = derive_binning(0, [split(1.0, default_left=True), split(2.0, default_left=False)], None)
    assert mixed.missing not in mixed.cells and mixed.bin_count == 4
    as_zero, _ = derive_binning(0, [split(-1.0, "none"), split(1.0, "none")], None)
    assert as_zero.missing == as_zero.assign_bins(np.asarray([0.0]), categorical=False)[0] and as_zero.zero is None


def test_zero_has_its_own_bin_if_the_model_treats_it_as_missing() -> None:
    binning, _ = derive_binning(0, [split(1.0, "zero", default_left=False)], None)
    values = np.asarray([0.0, -0.0, 1e-36, 0.5, -0.5, np.nan, 3.0])
    assert binning.zero is not None
    bins = binning.assign_bins(values, categorical=False)
    assert bins[0] == bins[1] == bins[2] == bins[5] == bins[6] != bins[3] == bins[4]


def test_categories_that_the_model_does_not_tell_apart_share_a_bin() -> None:
    asked = Split(feature=0, threshold=0.0, missing="nan", default_left=False, categories=(0, 2))
    binning, _ = derive_binning(0, [asked], 3)
    bins = binning.assign_bins(np.asarray([0.0, 2.0, 1.0, 3.0, 9.0, -1.0, np.nan]), categorical=True)
    assert bins.tolist() == [0, 0, 1, 1, 1, 1, 1]


def test_a_column_is_the_conjunction_of_its_parts() -> None:
    first, _ = derive_binning(0, [split(1.0)], None)
    second, _ = derive_binning(1, [Split(1, 0.0, "nan", False, (1,))], 3)
    columns = (IndicatorColumn(((0, (0,)),)), IndicatorColumn(((0, (1,)), (1, (second.cells[1],)))))
    values = np.asarray([[0.0, 1.0], [5.0, 1.0], [5.0, 0.0], [np.nan, 1.0]])
    assert compute_indicators((NUMBER, TEXT), (first, second), columns, values).tolist() == [[1, 0, 0, 0], [0, 1, 0, 1]]
    assert describe_column((NUMBER, TEXT), (first, second), columns[1]) == (
        "逾期次数 1 < x、缺失 且 行业 y",
        "Times overdue 1 < x, is missing and Industry y",
    )


GOOD = Binning(feature=0, cuts=(1.0, 2.0), cells=(0, 1, 2), missing=2)


@pytest.mark.parametrize(
    ("binnings", "columns"),
    [
        ((Binning(1, (1.0,), (0, 1), 1),), ()),
        ((Binning(0, (2.0, 1.0), (0, 1, 2), 1),), ()),
        ((Binning(0, (1.0, 1.0), (0, 1, 2), 1),), ()),
        ((Binning(0, (1.0,), (0, 1, 2), 1),), ()),
        ((Binning(0, (1.0,), (0, -1), 1),), ()),
        ((Binning(0, (1.0,), (0, 1), 10**9),), ()),
        ((GOOD,), (IndicatorColumn(()),)),
        ((GOOD,), (IndicatorColumn(((1, (0,)),)),)),
        ((GOOD,), (IndicatorColumn(((0, (3,)),)),)),
        ((GOOD,), (IndicatorColumn(((-1, (0,)),)),)),
    ],
)
def test_documents_that_name_what_does_not_exist_are_refused(
    binnings: tuple[Binning, ...], columns: tuple[IndicatorColumn, ...]
) -> None:
    check_columns((NUMBER,), (GOOD,), (IndicatorColumn(((0, (0, 2)),)),), of="a sheet")
    with pytest.raises(InvalidInput):
        check_columns((NUMBER,), binnings, columns, of="a sheet")
