"""Workbooks as people save them, read by the confined process; and what that process may send."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.tables.table_reader import open_table, read_table
from lab.tables.workbook import reading
from lab.tables.workbook.reading import REFUSALS, parse_sheet
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason
from tests.support.workbooks import (
    DATE,
    DATE_TIME,
    PERCENT,
    error_cell,
    formula,
    ods,
    sheet_xml,
    xls,
    xlsx,
    xlsx_parts,
    zip_parts,
)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "table.xlsx"
    path.write_bytes(data)
    return path


def test_cells_are_read_as_the_text_that_loses_nothing(tmp_path: Path) -> None:
    cells = [
        ("0123", "0123"),
        (101600.0, "101600"),
        (-5.0, "-5"),
        (0.1, "0.1"),
        ((0.12, PERCENT), "0.12"),
        (True, "TRUE"),
        ((44259.0, DATE), "2021-03-04"),
        ((44259.25, DATE_TIME), "2021-03-04 06:00:00"),
        (formula("1+1", "2"), "2"),
        ("'0123", "0123"),
        ('="0123"', "0123"),
        ("名称", "名称"),
        ("a\nb", "a\nb"),
    ]
    table = read_table(write(tmp_path, xlsx([["v"], *([cell] for cell, _ in cells)])))
    assert table.frame["v"].to_list() == [text for _, text in cells]
    assert table.row_numbers.tolist() == list(range(2, len(cells) + 2))
    assert (table.encoding, table.warnings) == ("xlsx", ())


def test_long_codes_that_were_typed_as_numbers_are_told_and_never_read_as_codes(tmp_path: Path) -> None:
    rows = [["code", "x"], [123456789012345678.0, 1.0], ["123456789012345678", 1.0], [999999999999999.0, 1.0]]
    table = read_table(write(tmp_path, xlsx(rows)))
    assert table.frame["code"].to_list() == ["1.2345678901234568e+17", "123456789012345678", "999999999999999"]
    assert "column 1: 1 numbers of more than 15 digits" in table.warnings[0]


def test_errors_and_formulas_that_were_never_computed_are_counted(tmp_path: Path) -> None:
    rows = [["a", "b"], [error_cell("#N/A"), 1.0], [error_cell("#DIV/0!"), formula("A1")], [2.0, formula("A1", "3")]]
    table = read_table(write(tmp_path, xlsx(rows)))
    assert table.frame.rows() == [(None, "1"), ("2", "3")] and table.blank_lines == 1
    assert "2 cells of the workbook hold an error" in table.warnings[0]
    assert "1 formulas of the workbook have no stored result" in table.warnings[1]


def test_other_formats(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, xls()))
    assert table.encoding == "xls"
    assert table.frame.rows() == [("0123", "101600", "2021-03-04", "TRUE"), ("甲", "0.12", None, None)]
    table = read_table(write(tmp_path, ods([["code", "名"], ["007", "甲"]])))
    assert (table.encoding, table.frame.columns, table.frame.rows()) == ("ods", ["code", "名"], [("007", "甲")])


def test_the_first_visible_sheet_with_a_table_is_read_and_the_others_are_told(tmp_path: Path) -> None:
    note, table, more = [["see sheet 3"]], [["a", "b"], ["1", "2"]], [["c"], ["3"]]
    empty: list[list[str]] = []
    found = read_table(write(tmp_path, xlsx(more, note, table, more, empty, hidden=[0])))
    assert found.frame.rows() == [("1", "2")]
    assert found.warnings[0].startswith("3 sheets have data; only sheet 3 was read")
    with pytest.raises(InvalidInput, match="visible sheet"):
        read_table(write(tmp_path, xlsx(more, [], hidden=[0])))
    with pytest.raises(InvalidInput, match="has none"):
        read_table(write(tmp_path, xlsx([])))


def test_rows_are_numbered_as_in_the_sheet(tmp_path: Path) -> None:
    rows: list[list[str | None]] = [["a", "b"], ["1", "2"], [], ["3", None], ["合计", "9"]]
    data = zip_parts(xlsx_parts(sheet_xml([[None, None, *row] for row in rows], first_row=4)))
    table = read_table(write(tmp_path, data))
    assert table.frame.rows() == [("1", "2"), ("3", None)] and table.blank_lines == 1
    assert table.row_numbers.tolist() == [5, 7]
    assert [(row.row, row.reason) for row in table.rejected] == [(8, RejectionReason.TOTAL)]


def test_a_workbook_comes_in_chunks_like_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, xlsx([["a", "b"], *([str(n), "x"] for n in range(50))]))
    whole = read_table(path)
    monkeypatch.setattr("lab.tables.table_file.CHUNK_CHARACTERS", 64)
    parts = list(open_table(path).chunks())
    assert len(parts) > 5 and [row for part in parts for row in part.frame.rows()] == whole.frame.rows()
    assert [n for part in parts for n in part.row_numbers.tolist()] == list(range(2, 52))
    assert parts[-1].bytes_read == path.stat().st_size


@pytest.mark.parametrize(
    ("rows", "merged", "said"),
    [
        ([["财务", None], ["a", "b"], ["1", "2"]], ["A1:B1"], "merged cells"),
        ([["a", "b"], ["1", "2"], [None, "3"]], ["A2:A3"], "begins in row 2"),
        ([["a title"], ["a", "b"], ["1", "2"]], [], "title"),
        ([["a", None, "b"], ["1", None, "2"]], [], "column 2 has none"),
    ],
)
def test_sheets_whose_header_or_cells_are_not_one_each_are_refused(
    tmp_path: Path, rows: list, merged: list[str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as error:
        read_table(write(tmp_path, zip_parts(xlsx_parts(sheet_xml(rows, merged=merged)))))
    assert error.value.next_step


def test_merged_cells_of_one_row_are_told(tmp_path: Path) -> None:
    rows = [["a", "b"], ["1", None], ["2", "3"]]
    table = read_table(write(tmp_path, zip_parts(xlsx_parts(sheet_xml(rows, merged=["A2:B2", "A9:B12"])))))
    assert table.frame.rows() == [("1", None), ("2", "3")] and table.warnings[0].startswith("1 merged cells")


def test_columns_without_name_and_values_are_left_out_and_told(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, xlsx([["a", "b", " "], ["1", "2", None]])))
    assert table.frame.columns == ["a", "b"] and table.warnings[0].startswith("the last 1 columns")


@pytest.mark.parametrize("reason", REFUSALS)
def test_each_refusal_has_words_and_a_next_step(reason: str) -> None:
    about = json.dumps({"refused": reason, "numbers": [7, 8]}).encode()
    with pytest.raises(InvalidInput, match="Expected ") as error:
        parse_sheet(b"", about, "f.xlsx", 1)
    assert error.value.next_step and "{" not in str(error.value)


@pytest.mark.parametrize(
    "about",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b'{"refused": "what"}',
        b'{"refused": "parts"}',
        b'{"refused": "parts", "numbers": "no"}',
        b'{"format": "xlsx"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_reader_that_was_taken_over_can_say_nothing_but_a_refusal(about: bytes) -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        parse_sheet(b'"a"\n"1"\n', about, "f.xlsx", 1)


@pytest.mark.parametrize(
    "lie",
    [{"sheet": -1}, {"sheet": True}, {"first_row": "1"}, {"long_numbers": [1]}, {"format": "../x"}, {"more": 1}],
)
def test_facts_are_counts_within_bounds(lie: dict) -> None:
    facts = {
        "format": "xlsx",
        "sheet": 1,
        "sheets_with_data": 1,
        "first_row": 1,
        "first_column": 1,
        "long_numbers": [[1, 2]],
        "merged_cells": 0,
        "error_cells": 0,
        "formulas_without_result": 0,
    }
    assert parse_sheet(b'"a"\n"1"\n', json.dumps(facts).encode(), "f.xlsx", 1).cells.shape == (2, 1)
    with pytest.raises(InvalidInput, match="damaged"):
        parse_sheet(b'"a"\n"1"\n', json.dumps(facts | lie).encode(), "f.xlsx", 1)


@pytest.mark.parametrize(
    "script",
    [
        "pass",
        "import os; os.write(1, b'X' + bytes(4))",
        "import os; os.write(1, b'R' + b'\\xff' * 4 + b'x')",
        "import os; os.write(1, b'J' + b'\\xff' * 4 + b'x')",
        "import os; os.write(1, b'R\\0\\0\\0\\x02ab'); os.abort()",
        "import time; time.sleep(60)",
    ],
)
def test_a_reader_that_dies_hangs_or_floods_costs_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(reading, "_BEGIN", script)
    monkeypatch.setattr(reading, "_SECONDS", 1)
    with pytest.raises(InvalidInput, match="memory of its reader"):
        read_table(write(tmp_path, xlsx([["a"], ["1"]])))


def test_no_workbook_is_read_where_its_reader_cannot_be_confined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BEGIN", "import sys; sys.modules['landlockpy'] = None; " + reading._BEGIN)
    with pytest.raises(InvalidInput, match="can confine") as error:
        read_table(write(tmp_path, xlsx([["a"], ["1"]])))
    assert "save the table as CSV" in error.value.next_step
