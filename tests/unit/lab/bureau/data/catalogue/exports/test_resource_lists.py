"""The three lists: a row an item, no cell a formula, the workbook the same as the files."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from python_calamine import CalamineWorkbook

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.definition import build_catalogue
from lab.bureau.data.catalogue.exports.resource_lists import lists_as_csv, lists_as_workbook, resource_lists
from tests.support.small_catalogues import edited


def test_each_list_has_every_item() -> None:
    lists = resource_lists(default_catalogue())
    assert list(lists) == ["aggregation", "sharing", "opening"]
    for table in lists.values():
        assert table["代码 code"].to_list() == [item.code for item in default_catalogue().items]
    opening = lists["opening"].filter(pl.col("代码 code") == "registration.legal_representative_id")
    assert opening["开放类型 opening"].item() == "不予开放 not open"
    assert opening["分级 grade (GB/T 43697-2024)"].item() == "4 严控 restricted"


def test_csv_opens_with_chinese_and_reads_back() -> None:
    files = lists_as_csv(default_catalogue())
    assert set(files) == {"aggregation.csv", "sharing.csv", "opening.csv"}
    for name, content in files.items():
        assert content.startswith(b"\xef\xbb\xbf")
        table = pl.read_csv(io.BytesIO(content))
        assert table.height == 119
        assert table["代码 code"].to_list() == resource_lists(default_catalogue())[name[:-4]]["代码 code"].to_list()


def test_no_name_becomes_a_formula(tmp_path: Path) -> None:
    hostile = build_catalogue(edited("tax", 'zh = "销售额"', "zh = '=HYPERLINK(\"http://x\")'"))
    for content in lists_as_csv(hostile).values():
        assert b"=HYPERLINK" in content and b'"=HYPERLINK' not in content and b",=HYPERLINK" not in content
    book = CalamineWorkbook.from_filelike(io.BytesIO(lists_as_workbook(hostile, tmp_path)["catalogue.xlsx"]))
    cells = [cell for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python() for cell in row]
    assert '=HYPERLINK("http://x")' in cells  # as text


def test_the_workbook_has_a_sheet_for_each_list(tmp_path: Path) -> None:
    content = lists_as_workbook(default_catalogue(), tmp_path)["catalogue.xlsx"]
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == ["归集清单 aggregation", "共享清单 sharing", "开放清单 opening"]
    for sheet, table in zip(book.sheet_names, resource_lists(default_catalogue()).values(), strict=True):
        header, *rows = book.get_sheet_by_name(sheet).to_python()
        assert header == table.columns and len(rows) == 119
    assert list(tmp_path.iterdir()) == []
