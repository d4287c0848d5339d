"""Tables as people export them: encodings, separators, ragged rows, and files that are no tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.terms.csvfile import SetAside, read_table
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.identifiers import Reason

ROWS = [("甲公司", "1"), ("乙公司", None)]
TEXT = "名称,数\n甲公司,1\n乙公司,\n"


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_ordinary_encodings_read_alike(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    table = read_table(write(tmp_path, mark + TEXT.encode(encoding)))
    assert table.frame.columns == ["名称", "数"]
    assert table.frame.rows() == ROWS
    assert table.encoding == encoding.removesuffix("-le").removesuffix("-be")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, separator: str, end: str) -> None:
    table = read_table(write(tmp_path, TEXT.replace(",", separator).replace("\n", end)))
    assert table.frame.rows() == ROWS and table.set_aside == ()


def test_quoted_fields_may_hold_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a,b\n"x, ""y""\nz",1\n"",2\n'))
    assert table.frame.rows() == [('x, "y"\nz', "1"), (None, "2")]


@pytest.mark.parametrize("quoted", [False, True])
def test_ragged_rows_are_set_aside_with_their_number(tmp_path: Path, quoted: bool) -> None:
    first = '"1",2' if quoted else "1,2"
    table = read_table(write(tmp_path, f"a,b\n{first}\n3\n\n4,5,6\n7,8\n"))
    assert table.frame.rows() == [("1", "2"), ("7", "8")]
    assert table.numbers.tolist() == [2, 6]
    assert table.set_aside == (SetAside(3, Reason.RAGGED), SetAside(5, Reason.RAGGED))
    assert table.rows == 4
    assert len(table.warnings) == 2


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n"))
    assert table.frame.shape == (0, 2) and table.rows == 0


def test_text_that_looks_like_numbers_stays_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id,x\n007,1e5\n0010,true\n"))
    assert table.frame["id"].to_list() == ["007", "0010"]
    assert set(table.frame.dtypes) == {pl.String}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,,c\n1,2,3\n", "column 2 has none"),
        (b"a,b,a\n1,2,3\n", "columns 1, 3 share"),
        (b"1,2\n3,4\n", "row of data"),
        (b"name,91110000600037341L\n", "row of data"),
        (b'a\n"open\n1\n', "quoted fields"),
        (b"\x89PNG\r\n\x00\x00", "none of them"),
        (b"\xff\xff\xff", "none of them"),
        (b"PK\x03\x04rest", "workbook"),
        (b"PAR1rest", "Parquet"),
    ],
)
def test_files_that_are_no_tables_say_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as error:
        read_table(write(tmp_path, content))
    assert error.value.next_step
    assert "91110000600037341L" not in str(error.value)


def test_too_large_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at most 5 bytes"):
        read_table(write(tmp_path, TEXT), max_bytes=5)
    with pytest.raises(NotFound):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(NotFound):
        read_table(tmp_path)


def test_parquet_becomes_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, None], "b": [0.1, 1e-17], " c ": ["x", " "]}).write_parquet(path)
    table = read_table(path)
    assert table.frame.columns == ["a", "b", "c"]
    assert table.frame.rows() == [("1", "0.1", "x"), (None, "1e-17", None)]
    pl.DataFrame({"a": [[1]]}).write_parquet(path)
    with pytest.raises(InvalidInput, match="column 1"):
        read_table(path)


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)


@given(st.lists(st.tuples(CELL, CELL), max_size=6))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    pl.DataFrame(
        {"a": [a for a, _ in rows], "b": [b for _, b in rows]}, schema={"a": pl.String, "b": pl.String}
    ).write_csv(path, quote_style="always")
    table = read_table(path)
    expected = [tuple(cell if cell.strip() else None for cell in row) for row in rows]
    assert table.frame.rows() == expected
