"""The formula that marks text, read alike in cells, files and identifiers."""

from __future__ import annotations

import polars as pl
import pytest

from lab.tables.cells.text import normalise_text
from lab.tables.spreadsheet_csv import read_spreadsheet_text
from lab.terms.identifiers.spreadsheet_marks import without_text_guards
from lab.terms.text.text_formula import without_text_formula


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('="0123"', "0123"),
        (' ="0123" ', "0123"),
        ('="a""b"', 'a"b'),
        ('="a"b"', '="a"b"'),
        ('="a"&"b"', '="a"&"b"'),
        ('"="0123"', '"="0123"'),
        ("0123", "0123"),
    ],
)
def test_all_readers_of_the_formula_agree(written: str, read: str) -> None:
    column = pl.Series("cell", [written, None])
    frame, cell = column.to_frame(), pl.col("cell")
    found = [
        frame.select(without_text_formula(cell))["cell"],
        read_spreadsheet_text(column),
        normalise_text(column),
        frame.select(without_text_guards(cell))["cell"],
    ]
    assert [one.to_list() for one in found] == [[read, None]] * 4
