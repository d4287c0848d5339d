"""A workbook of results: numbers are numbers, codes are text, and nothing is a formula."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from lab.tables.table_reader import read_table
from lab.tables.workbook.writing import MAX_ROWS, check_rows_fit, workbook_bytes
from lab.terms.errors import InvalidInput


def test_text_stays_text_and_numbers_are_numbers(tmp_path: Path) -> None:
    hostile = ["=1+1", "@SUM(A1)", "+86", "-1", "http://example.org", "007", "1E5", "<b>&'\"", "中文 ", "{=A1}"]
    table = pl.DataFrame(
        {
            "code": hostile,
            "score": list(range(10)),
            "pd": [0.5, None, float("nan"), 0.25, 1e-9, 0.1, 0.2, 0.3, 0.4, 0.9],
            "near": [True, False] * 5,
            "=header": ["x"] * 10,
            "long": [10**17] * 10,
        }
    )
    data = workbook_bytes(table, tmp_path)
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet and "hyperlink" not in sheet and sheet.count("<c r=") == 6 + 60 - 2
    assert '<c r="B2"><v>0</v></c>' in sheet and 't="b"' in sheet
    (tmp_path / "r.xlsx").write_bytes(data)
    back = read_table(tmp_path / "r.xlsx").frame
    assert back.columns == table.columns and back["score"].to_list() == [str(number) for number in range(10)]
    assert back["code"].to_list() == [text.strip() for text in hostile] or back["code"].to_list() == hostile
    assert back["pd"].to_list()[:4] == ["0.5", None, None, "0.25"] and back["long"][0] == str(10**17)


def test_what_a_worksheet_does_not_hold_is_refused(tmp_path: Path) -> None:
    check_rows_fit(MAX_ROWS)
    with pytest.raises(InvalidInput, match="rows for an Excel workbook"):
        check_rows_fit(MAX_ROWS + 1)
    with pytest.raises(InvalidInput, match="characters in each cell") as found:
        workbook_bytes(pl.DataFrame({"id": ["secret" * 6_000]}), tmp_path)
    assert "secret" not in str(found.value) and list(tmp_path.iterdir()) == []
