"""Lists of codes for an exclusion: read completely, or not at all."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from lab.tables.code_list import CodeList, read_code_list
from lab.terms.errors import InvalidInput
from tests.support.credit_codes import with_checks

FIRST, SECOND = (with_checks("91", "110000", body) for body in ("60003734", "71526726"))


def read(folder: Path, text: str, kind: str = "uscc", **options: object) -> CodeList:
    path = folder / "skip.csv"
    path.write_text(text, encoding="utf-8")
    return read_code_list(path, kind, **options)  # type: ignore[arg-type]


def test_each_code_once_in_one_form(tmp_path: Path) -> None:
    found = read(tmp_path, f"x,Code\n1,{FIRST.lower()}\n2,'{SECOND}\n3,{FIRST}\n,\n")
    assert found == CodeList("skip.csv", (FIRST, SECOND), ())
    decimals = read(tmp_path, "code\n101600.0\n101601\n", "opaque")
    assert decimals.codes == ("101600", "101601")
    assert len(decimals.warnings) == 1 and "read without .0" in decimals.warnings[0]


@pytest.mark.parametrize("kind", ["uscc", "opaque"])
def test_an_empty_list_is_said(tmp_path: Path, kind: str) -> None:
    found = read(tmp_path, "code\n", kind)
    assert found.codes == () and found.warnings == ("skip.csv: the list names no enterprise · 名单为空",)


@pytest.mark.parametrize(
    ("row", "kind", "why"),
    [
        ("1.016E+05,1", "opaque", "exponent"),
        ("9.1110000100000012E+17,1", "uscc", "exponent"),
        (f"{FIRST[:-1]},1", "uscc", "18 characters"),
        (f"{FIRST},1,2", "uscc", "differs from the header"),
        (",1", "opaque", "no code is given"),
    ],
)
def test_a_row_that_holds_no_code_stops_it(tmp_path: Path, row: str, kind: str, why: str) -> None:
    with pytest.raises(InvalidInput) as stopped:
        read(tmp_path, f"code,x\n{SECOND},0\n{row}\n", kind)
    assert "skip.csv; found 1 of 2 rows without one (row 3)" in str(stopped.value)
    assert why in str(stopped.value) and stopped.value.next_step
    assert row.split(",")[0] not in str(stopped.value) or not row.split(",")[0]


def test_the_first_ten_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"12 of 12 rows .* \(row 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …\)"):
        read(tmp_path, "code\n" + "x\n" * 12)


def test_the_column_must_be_certain(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="found 2 columns, and none"):
        read(tmp_path, f"firm,x\n{FIRST},1\n")
    with pytest.raises(InvalidInput, match="found 2 with a usual name"):
        read(tmp_path, f"id,uscc\n1,{FIRST}\n")
    assert read(tmp_path, f"id,firm\n1,{FIRST}\n", column="firm").codes == (FIRST,)
    assert read(tmp_path, f"名单\n{FIRST}\n", known=()).codes == (FIRST,)


@pytest.mark.parametrize(
    ("header", "kind", "known"),
    [
        (FIRST, "uscc", ()),
        (FIRST[:-1] + "?", "uscc", ()),  # a code that a person misspelt
        ("9.11E+17", "uscc", ()),
        ("firm-0001", "opaque", ()),
        ("101600", "opaque", ()),
        ("acme", "opaque", ("acme",)),
        ("acme", "opaque", None),  # nobody knows whether it is a code
    ],
)
def test_the_first_code_of_a_list_without_a_header_is_not_lost(
    tmp_path: Path, header: str, kind: str, known: tuple[str, ...] | None
) -> None:
    with pytest.raises(InvalidInput, match="first line") as stopped:
        read(tmp_path, f"{header}\n{SECOND}\n", kind, known=known)
    assert header not in str(stopped.value)


def test_parquet_of_numbers_is_read_like_text(tmp_path: Path) -> None:
    path = tmp_path / "skip.parquet"
    pl.DataFrame({"code": [101600.0, 101601.0]}).write_parquet(path)
    assert read_code_list(path, "opaque").codes == ("101600", "101601")
