"""Separators and headers of text files as exports write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.tables.table_reader import read_table
from lab.tables.text.layout import choose_separator
from lab.terms.errors import InvalidInput


def write(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("header", "rows", "separator"),
    [
        ("a,b", [], ","),
        ("a", ["1"], ","),
        ("a|b|c", ["1|2|3"], "|"),
        ("a;b", ["1,5;2,5", "1,0;3"], ";"),
        ("net income, total;b", ["1;2", "3;4"], ";"),
        ("a,b;c", ["1;2,3;4"], ","),
        ('"x;y;z",b', ["1,2"], ","),
        ("a\tb,c", ["1\t2", "3\t4"], "\t"),
    ],
)
def test_the_separator_splits_header_and_rows_alike(header: str, rows: list[str], separator: str) -> None:
    assert choose_separator(header + "\n", [row + "\n" for row in rows]) == separator


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_excels_line_that_names_the_separator(tmp_path: Path, first: str, quote: str) -> None:
    table = read_table(write(tmp_path, f"{first}\r\na,x;{quote}b{quote}\r\n1,5;2\r\n\r\n3;4\r\n"))
    assert table.frame.columns == ["a,x", "b"] and table.frame.rows() == [("1,5", "2"), ("3", "4")]
    assert table.row_numbers.tolist() == [3, 5] and table.blank_lines == 1


def test_another_separator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="names another"):
        read_table(write(tmp_path, "sep=^\na^b\n1^2\n"))


@pytest.mark.parametrize("rows", ["1;2\n3;4\n", "1,2\n", "1\t2\t3\n\n4\t5\t6\n", "1|2\n"])
def test_one_name_above_several_fields_is_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(InvalidInput, match="header has one name"):
        read_table(write(tmp_path, "code\n" + rows))


def test_full_width_separators_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="full-width separators"):
        read_table(write(tmp_path, "代码，名称\n1，甲\n"))
    assert read_table(write(tmp_path, "代码（含，）\n1\n")).frame.columns == ["代码（含，）"]


@pytest.mark.parametrize("header", ["a,b,,", "a,b"])
def test_empty_columns_at_the_end_are_left_out_and_told(tmp_path: Path, header: str) -> None:
    table = read_table(write(tmp_path, f"{header}\n1,2,,\n3,4, ,\n"))
    assert table.frame.columns == ["a", "b"] and table.frame.rows() == [("1", "2"), ("3", "4")]
    assert table.warnings[0].startswith("the last 2 columns") and table.rejected == ()


def test_values_in_a_column_without_name_are_not_left_out(tmp_path: Path) -> None:
    rows = "1,2,\n" * 60
    for header in ("a,b,", "a,b"):
        with pytest.raises(InvalidInput, match="column 3 has none, and a value in row 62"):
            read_table(write(tmp_path, f"{header}\n{rows}1,2,x\n"))


@pytest.mark.parametrize("header", ["ａ,a", "net income,netincome", "a,\ufeffa", "x\u3000y,xy"])
def test_names_that_differ_in_spaces_and_width_alone_are_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InvalidInput, match="columns 1, 2 share a name"):
        read_table(write(tmp_path, header + "\n1,2\n"))


@pytest.mark.parametrize("text", ["<!DOCTYPE html><table>", "\ufeff<html>\n", "<?xml version='1.0'?>\n<Workbook/>"])
def test_web_pages_that_are_called_workbooks_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="web page or XML"):
        read_table(write(tmp_path, text))
