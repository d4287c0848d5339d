"""Counts do not depend on how the rows are cut into stretches, and agree with what is read."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells.column_counts import MAX_LEVELS
from lab.tables.cells.column_kinds import ColumnHint, summarise_tally
from lab.tables.cells.column_tally import ColumnTally
from lab.tables.cells.reading import read_cells
from tests.support.reading_examples import COLUMNS, WHOLE, OddColumn


@pytest.mark.parametrize("example", WHOLE, ids=lambda example: example.en)
def test_stretches_of_rows_give_the_counts_of_the_whole(example: OddColumn) -> None:
    column = pl.Series(example.cells)
    whole, parts = ColumnTally(), ColumnTally()
    whole.add(column)
    for first in range(0, column.len(), 37):
        parts.add(column[first : first + 37], first)
    assert parts == whole


def test_places_are_of_the_table() -> None:
    tally = ColumnTally()
    tally.add(pl.Series(COLUMNS["amounts"][2]))
    tally.add(pl.Series(["1", "x", "2", "y"]), 400)
    assert tally.places["text"] == [401, 403]


def test_levels_are_counted_up_to_a_limit() -> None:
    tally = ColumnTally()
    tally.add(pl.Series([f"v{n % MAX_LEVELS}" for n in range(3000)]))
    assert tally.levels is not None and len(tally.levels) == MAX_LEVELS
    tally.add(pl.Series(["another"]))
    assert tally.levels is None


@pytest.mark.parametrize("kind", ["numeric", "date", "boolean", "categorical"])
def test_a_summary_counts_what_reading_finds_whatever_kind_is_stated(kind: str) -> None:
    cells = [
        "1",
        "0",
        "-5",
        "12%",
        "3万",
        "3年",
        "2021-03-04",
        "20210304",
        "44259",
        "0",
        "无",
        "—",
        "N/A",
        "",
        None,
        "是",
        "x",
    ]
    cells += ["-777", "99999999", "9999-12-31", "1900-01-01", "１", "5²", "true", "202103", "1,200", "inf", "1e400"]
    hint = ColumnHint(kind, null_words=("-777",))  # type: ignore[arg-type]
    column = pl.Series(cells * 5)
    tally = ColumnTally(frozenset(hint.null_words))
    tally.add(column)
    summary = summarise_tally("a", tally, hint)
    read = read_cells(column, summary.kind, summary.reading)
    assert (summary.missing, summary.unreadable) == (read.missing_count, read.unreadable_count)
