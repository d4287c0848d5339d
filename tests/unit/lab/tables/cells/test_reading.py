"""Reading cells: every example of docs/formats/reading.md, each cell by itself, and counts that agree."""

from __future__ import annotations

import datetime

import polars as pl
import pytest

from lab.tables.cells.column_kinds import summarise_columns
from lab.tables.cells.reading import CellReading, read_cells
from tests.support.reading_examples import CELLS, WHOLE, OddCell, OddColumn, read_odd_cell, read_odd_column


@pytest.mark.parametrize(
    ("example", "written"), [(example, written) for example in CELLS for written in example.written], ids=ascii
)
def test_one_odd_cell_among_ordinary_ones(example: OddCell, written: str) -> None:
    value, summary = read_odd_cell(example, written)
    if example.column == "categories" and example.value not in ("missing", "unreadable"):
        assert summary.kind == "categorical"
    else:
        assert value == example.value
    assert not summary.undecided


@pytest.mark.parametrize("example", WHOLE, ids=lambda example: example.en)
def test_a_whole_column(example: OddColumn) -> None:
    value, summary = read_odd_column(example)
    assert ("undecided" if summary.undecided else summary.kind) == example.kind
    assert value == example.first or example.first == "as written"


@pytest.mark.parametrize("example", WHOLE, ids=lambda example: example.en)
def test_a_cell_is_read_by_itself(example: OddColumn) -> None:
    column = pl.Series("column", example.cells)
    (summary,) = summarise_columns(column.to_frame())
    whole = read_cells(column, summary.kind, summary.reading).values
    some = read_cells(column.gather_every(7), summary.kind, summary.reading).values
    assert some.equals(whole.gather_every(7), null_equal=True)


def test_a_factor_multiplies_bare_numbers_and_leaves_sentinels_what_they_are() -> None:
    reading = CellReading(factor=1e4, sentinels=(-999.0,))
    cells = pl.Series("a", ["1", "-999", "3.5万", "20元", "x", None])
    found = read_cells(cells, "numeric", reading)
    assert found.values.to_list() == [1e4, None, 35000.0, 20.0, None, None]
    assert (found.missing_count, found.unreadable_count) == (2, 1)
    plain = read_cells(cells.head(2), "numeric", reading)
    assert plain.values.to_list() == [1e4, None]


def test_a_column_has_one_unit() -> None:
    found = read_cells(pl.Series(["3年", "3个月", "3"]), "numeric", CellReading(unit="month"))
    assert found.values.to_list() == [None, 3.0, 3.0]
    assert found.unreadable.to_list() == [True, False, False]


def test_stated_words_are_no_value_in_every_kind() -> None:
    reading = CellReading(null_words=("-777", "待核实"))
    for kind, cell in (("numeric", "5"), ("date", "2021-03-04"), ("boolean", "是"), ("categorical", "x")):
        found = read_cells(pl.Series(["-777", "-777.0", "待核实", cell]), kind, reading)  # type: ignore[arg-type]
        assert found.values.is_null().to_list() == [True, True, True, False]
        assert found.unreadable_count == 0


def test_typed_columns_are_read_as_they_are() -> None:
    days = read_cells(pl.Series([datetime.date(1970, 1, 2), None]), "date", CellReading())
    assert days.values.to_list() == [1.0, None]
    assert read_cells(pl.Series([True, False]), "boolean", CellReading()).values.to_list() == [1.0, 0.0]
    assert read_cells(pl.Series([5311.0]), "categorical", CellReading()).values.to_list() == ["5311"]
    assert read_cells(pl.Series([2, -9]), "numeric", CellReading(factor=10.0, sentinels=(-9.0,))).values.to_list() == [
        20.0,
        None,
    ]
